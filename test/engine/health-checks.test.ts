import t from 'tap'
import type { ServiceOptions } from '../../src/definition/index.ts'
import { checksOf } from '../../src/engine/plan/health-checks.ts'
import { imageCheckOf } from '../../src/engine/plan/image-healthcheck.ts'
import type { PlannedService } from '../../src/engine/plan/planned.ts'
import { portsOf } from '../../src/engine/plan/service-ports.ts'
import { stopSignalNote, stopSignalOf } from '../../src/engine/plan/stop-signal.ts'

const second = 1e9

function service(options: ServiceOptions, config: object = {}): PlannedService {
  const image = { entrypoint: [], cmd: [], env: [], user: '', workdir: '/', exposedPorts: [], ...config }
  return { exec: { root: { config: image } }, options } as unknown as PlannedService
}

t.test('ports, the image’s HEALTHCHECK and what is asked for are all waited for', async (t) => {
  const healthcheck = { Test: ['CMD', 'check'] }
  const options: ServiceOptions = {
    ports: [
      { port: 80, protocol: 'tcp' },
      { port: 53, protocol: 'udp' },
      { port: 81, protocol: 'tcp', check: 'none' },
      { port: 82, protocol: 'tcp', check: { http: { path: '/', status: 204 }, timeout: 50 } },
    ],
    checks: [{ exec: ['ready'] }, { http: { path: '/x' } }, { log: { pattern: 'y', flags: 'i' } }],
  }
  const asked = [
    { kind: 'exec', args: ['ready'] },
    { kind: 'http', port: 80, path: '/x' },
    { kind: 'log', pattern: 'y', flags: 'i' },
  ]
  t.strictSame(checksOf(service(options, { healthcheck })), [
    { kind: 'tcp', port: 80 },
    { kind: 'udp', port: 53 },
    { kind: 'http', port: 82, path: '/', status: [204], timing: { timeout: 50 } },
    { kind: 'exec', args: ['check'], timing: { timeout: 30_000, failsAfter: 90_000 } },
    ...asked,
  ])
  t.strictSame(checksOf(service({ ...options, healthcheck: 'none' }, { healthcheck })), asked)
  t.throws(() => checksOf(service({ checks: [{ http: { path: '/' } }] })), { code: 'INVALID_OPTION' })
})

t.test(
  'a HEALTHCHECK fails when Docker would call the container unhealthy, and is tried sooner',
  async (t) => {
    t.strictSame(
      imageCheckOf({
        Test: ['CMD-SHELL', 'curl -f http://localhost || exit 1'],
        Interval: 5 * second,
        Timeout: 3 * second,
        StartPeriod: 10 * second,
        StartInterval: 2 * second,
        Retries: 4,
      }),
      {
        kind: 'exec',
        args: ['/bin/sh', '-c', 'curl -f http://localhost || exit 1'],
        timing: { timeout: 3_000, interval: 2_000, failsAfter: 30_000 },
      },
    )
    t.match(imageCheckOf({ Test: ['CMD', 'x'], Interval: 0, Retries: 0 }), { timing: { failsAfter: 90_000 } })
    for (const none of [
      undefined,
      {},
      { Test: [] },
      { Test: ['NONE'] },
      { Test: ['CMD'] },
      { Test: [1] },
      { Test: 'x' },
    ]) {
      t.equal(imageCheckOf(none), undefined, JSON.stringify(none))
    }
  },
)

t.test('startPeriod and retries of a check become the time after which it has failed', async (t) => {
  const failing = (times: object) =>
    checksOf(service({ checks: [{ tcp: 1, ...times }] }))[0]?.timing?.failsAfter
  t.equal(failing({}), undefined)
  t.equal(failing({ startPeriod: 5_000 }), 8_000)
  t.equal(failing({ retries: 2 }), 2_000)
  t.equal(failing({ startPeriod: 100, retries: 2, interval: 50 }), 200)
})

t.test('ports that only the image names are listed', async (t) => {
  const exposedPorts = [
    { port: 80, protocol: 'tcp' },
    { port: 443, protocol: 'tcp' },
    { port: 80, protocol: 'udp' },
  ]
  const both = service({ ports: [{ port: 80, protocol: 'tcp' }] }, { exposedPorts })
  t.strictSame(portsOf(both), [
    { port: 80, protocol: 'tcp' },
    { port: 443, protocol: 'tcp', check: 'none' },
    { port: 80, protocol: 'udp', check: 'none' },
  ])
  t.strictSame(checksOf(both), [{ kind: 'tcp', port: 80 }], 'and not waited for')
})

t.test('the stop signal is the service’s own, else the image’s, by name or number', async (t) => {
  t.equal(stopSignalOf(service({ stopSignal: 'SIGINT' }, { stopSignal: 'SIGQUIT' })), 'SIGINT')
  t.equal(stopSignalOf(service({}, { stopSignal: 'SIGQUIT' })), 'SIGQUIT')
  t.equal(stopSignalOf(service({}, { stopSignal: 'quit' })), 'SIGQUIT')
  t.equal(stopSignalOf(service({}, { stopSignal: '3' })), 'SIGQUIT')
  t.equal(stopSignalOf(service({}, { stopSignal: 'SIGRTMIN+3' })), 'SIGRTMIN+3', '(L10)')
  t.equal(stopSignalOf(service({}, { stopSignal: 'RTMIN+3' })), 'SIGRTMIN+3', '(L10)')
  t.equal(stopSignalOf(service({}, { stopSignal: '9' })), 'SIGKILL')
  t.equal(stopSignalOf(service({ stopSignal: 'quit' }, {})), 'SIGQUIT')
  t.equal(stopSignalOf(service({})), undefined)
})

t.test('a stop signal of an image that is none is told, and its own is not (L10b)', async (t) => {
  t.equal(stopSignalOf(service({}, { stopSignal: 'NOPE' })), undefined)
  t.match(
    stopSignalNote(service({}, { stopSignal: 'NOPE' })),
    /asks to be stopped by "NOPE".*SIGTERM is sent/,
  )
  t.equal(stopSignalNote(service({}, { stopSignal: 'RTMIN+3' })), undefined)
  t.equal(
    stopSignalNote(service({ stopSignal: 'SIGINT' }, { stopSignal: 'NOPE' })),
    undefined,
    'nobody sends it',
  )
  t.equal(stopSignalNote(service({})), undefined)
})
