import t from 'tap'
import { Container } from '../../src/client/container/container.ts'
import { MoorageError } from '../../src/errors/index.ts'

const box = new Container({} as never).from('img')
const long = 'x'.repeat(200_000)
const half = 'a\ud800'

function refusal(work: () => unknown): MoorageError {
  try {
    work()
  } catch (error) {
    if (error instanceof MoorageError) return error
    throw error
  }
  throw new Error('it was taken')
}

t.test(
  'what the kernel would not take is refused when it is described, by name (C04, C04b, C04c)',
  async (t) => {
    const cases: [name: RegExp, work: () => unknown][] = [
      [/variable "BIG".*131072/, () => box.withEnvVariable('BIG', long)],
      [/argument 2 of the command.*131072/, () => box.withExec(['echo', long])],
      [/argument 1 of the entrypoint.*131072/, () => box.withEntrypoint([long])],
      [/argument 1 of the default arguments.*131072/, () => box.withDefaultArgs([long])],
      [/argument 1 of the command.*131072/, () => box.asService({ args: [long] })],
      [/ARG_MAX/, () => box.withExec(Array(30).fill('x'.repeat(100_000)))],
      [/variable "A".*surrogate/, () => box.withEnvVariable('A', half)],
      [/argument 1 of the command.*surrogate/, () => box.withExec([half])],
      [/stdin.*surrogate/, () => box.withExec(['cat'], { stdin: half })],
      [/argument 2 of the command.*NUL/, () => box.withExec(['echo', 'a\0b'])],
      [/argument 1 of the health check.*131072/, () => box.withHealthcheck({ exec: [long] })],
    ]
    for (const [name, work] of cases) {
      const { code, message } = refusal(work)
      t.equal(code, 'INVALID_OPTION')
      t.match(message, name)
      t.ok(message.length < 1_000)
    }
  },
)

t.test('variables that replace each other count once', async (t) => {
  let container = box
  for (let count = 0; count < 40; count++) container = container.withEnvVariable('A', 'x'.repeat(100_000))
  t.ok(container.withExec(['true']))
})

t.test('a message cuts what it quotes (C04c)', async (t) => {
  const error = new MoorageError('EXEC_FAILED', { command: `echo ${long}`, exitCode: 1 })
  t.ok(error.message.length < 500)
  t.match(error.message, /^echo x+… exited with code 1$/)
  t.equal(String(error.details.command).length, 200_005, 'the details are whole')
})
