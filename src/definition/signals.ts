/** The signals of Linux by their numbers, 1 to 31: signal(7), on x86 and arm. The first name is the one that is shown. */
const standard: readonly (readonly [name: string, ...others: string[]])[] = [
  ['SIGHUP'],
  ['SIGINT'],
  ['SIGQUIT'],
  ['SIGILL'],
  ['SIGTRAP'],
  ['SIGABRT', 'SIGIOT'],
  ['SIGBUS'],
  ['SIGFPE'],
  ['SIGKILL'],
  ['SIGUSR1'],
  ['SIGSEGV'],
  ['SIGUSR2'],
  ['SIGPIPE'],
  ['SIGALRM'],
  ['SIGTERM'],
  ['SIGSTKFLT'],
  ['SIGCHLD', 'SIGCLD'],
  ['SIGCONT'],
  ['SIGSTOP'],
  ['SIGTSTP'],
  ['SIGTTIN'],
  ['SIGTTOU'],
  ['SIGURG'],
  ['SIGXCPU'],
  ['SIGXFSZ'],
  ['SIGVTALRM'],
  ['SIGPROF'],
  ['SIGWINCH'],
  ['SIGIO', 'SIGPOLL'],
  ['SIGPWR'],
  ['SIGSYS', 'SIGUNUSED'],
]

/** glibc keeps 32 and 33 for its threads: SIGRTMIN of programs is 34. The kernel's last signal is 64. */
const firstRealTime = 34
const last = 64

/** Up to here a real-time signal is named after SIGRTMIN, from here on after SIGRTMAX: as kill(1) lists them. */
const middle = 49

const numbers = new Map(
  standard.flatMap((names, index) => names.map((name) => [name.slice('SIG'.length), index + 1] as const)),
)

/**
 * Returns the number of a signal of Linux, or undefined if there is none: `SIGINT`, `int`, `RTMIN+3`, `SIGRTMAX-1` or
 * `2`, as an image's STOPSIGNAL may say it.
 */
export function signalNumber(signal: string): number | undefined {
  if (/^\d{1,3}$/.test(signal)) return inRange(Number(signal), 1)
  const name = signal.toUpperCase().replace(/^SIG/, '')
  const realTime = /^RT(?:MIN(?:\+(\d{1,2}))?|MAX(?:-(\d{1,2}))?)$/.exec(name)
  if (realTime === null) return numbers.get(name)
  const [, above, below] = realTime
  const number = name.startsWith('RTMIN') ? firstRealTime + Number(above ?? 0) : last - Number(below ?? 0)
  return inRange(number, firstRealTime)
}

function inRange(number: number, first: number): number | undefined {
  return number >= first && number <= last ? number : undefined
}

/** Returns the name of a signal's number: `SIGTERM`, `SIGRTMIN+3`, or the digits of one without a name; undefined for others. */
export function signalName(number: number): string | undefined {
  const named = standard[number - 1]?.[0]
  if (named !== undefined) return named
  if (!Number.isInteger(number) || number < 1 || number > last) return undefined
  if (number < firstRealTime) return String(number)
  if (number <= middle) return number === firstRealTime ? 'SIGRTMIN' : `SIGRTMIN+${number - firstRealTime}`
  return number === last ? 'SIGRTMAX' : `SIGRTMAX-${last - number}`
}

/** Says what is wrong with a signal, if anything. One rule for the SDK, for the HTTP API and for images. */
export function signalProblem(signal: string): string | undefined {
  if (signalNumber(signal) !== undefined) return undefined
  return 'it is no signal of Linux: a name like SIGINT or SIGRTMIN+3, with or without SIG, or a number from 1 to 64'
}
