/** The names of links and nft tables. All that the host sees of them carries the instance. */

/** These are inside a namespace of ours, so they need no instance. */
export const bridgePrefix = 'br'
export const bridgeName = `${bridgePrefix}0`
export const networkTable = 'moorage'
export const innerUplinkName = 'up0'
export const sandboxLinkName = 'eth0'

/** The prefix, the instance and a counter of at most 4 characters fill the 15 that a link's name may have. */
export const uplinkPrefix = (instance?: string) => (instance === undefined ? 'moor' : `moor${instance}u`)

/** A name is not used again at once: its last bearer may still be dying in the kernel. */
export const uplinkName = (instance: string, count: number) =>
  `${uplinkPrefix(instance)}${(count % 36 ** 4).toString(36)}`

export const tableName = (instance: string) => `moorage_${instance}`
