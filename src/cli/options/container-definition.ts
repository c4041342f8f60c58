import type {
  Binding,
  Definition,
  ExecOperation,
  ExposedPort,
  Mount,
  Operation,
  PortForward,
  ServiceOptions,
} from '../../definition/index.ts'

/** A container as the command line describes it. */
export interface ContainerDescription {
  image: string
  /** The arguments of the entrypoint; none for the image's own command. */
  args: readonly string[]
  env: [name: string, value: string][]
  volumes: { name: string; path: string }[]
  ports: ExposedPort[]
  services: ServiceDescription[]
  /** Ports of the host that lead to the container. */
  publish: PortForward[]
  /** Start timeout of every service, in milliseconds. */
  startTimeout?: number
}

export interface ServiceDescription {
  alias: string
  image: string
  args: string[]
  env: [name: string, value: string][]
  ports: ExposedPort[]
}

/**
 * Returns the graph of a container and of the services that it is bound to. Arguments follow the image's entrypoint, as
 * with `docker run IMAGE ARGS`.
 *
 * @param fields - further fields of the container's operation
 */
export function definitionOf(
  { image, args, env, volumes, services, startTimeout }: ContainerDescription,
  fields: Pick<ExecOperation, 'stdin' | 'expect' | 'noCache' | 'hostname'> = {},
): Definition {
  const ops: Operation[] = []
  const add = (operation: Operation): number => ops.push(operation) - 1
  const images = new Map<string, number>()
  const imageOf = (ref: string): number => {
    const index = images.get(ref) ?? add({ op: 'image', ref })
    images.set(ref, index)
    return index
  }
  const command = (words: readonly string[]) =>
    words.length === 0 ? {} : { args: [...words], useEntrypoint: true }

  const bindings = services.map(
    (service): Binding => ({
      alias: service.alias,
      service: {
        exec: add({
          op: 'exec',
          input: imageOf(service.image),
          ...command(service.args),
          ...(service.env.length === 0 ? {} : { env: service.env }),
        }),
        ...serviceOptions(service.ports, startTimeout),
      },
    }),
  )
  const mounts = volumes.map(
    ({ name, path }): Mount => ({
      type: 'cache',
      path,
      volume: add({ op: 'cacheVolume', name }),
      sharing: 'shared',
    }),
  )
  const root = add({
    op: 'exec',
    input: imageOf(image),
    ...command(args),
    ...(env.length === 0 ? {} : { env }),
    ...(mounts.length === 0 ? {} : { mounts }),
    ...(bindings.length === 0 ? {} : { bindings }),
    ...fields,
  })
  return { ops, root }
}

export function serviceOptions(
  ports: readonly ExposedPort[],
  startTimeout: number | undefined,
): ServiceOptions {
  return {
    ...(ports.length === 0 ? {} : { ports: [...ports] }),
    ...(startTimeout === undefined ? {} : { startTimeout }),
  }
}
