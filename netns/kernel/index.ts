/** The kernel as far as networks need it and Node does not reach it. */

export { DatagramBatch } from './datagram-batch.ts'
export { kernelError, NetnsError, type NetnsErrorCode } from './errors.ts'
export {
  AF_INET,
  AF_INET6,
  addressOctets,
  bind,
  linkIndex,
  lockFile,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  setsockopt,
  sockaddrSize,
  socket,
  socketName,
  type Watch,
  watch,
} from './libc.ts'
export { Monitor } from './monitor.ts'
export { bindMount, openProc, umount } from './mounts.ts'
export { createNamespace, inNamespace, leaveThread } from './namespace.ts'
export { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket, type Request, u32 } from './netlink.ts'
export {
  concatenation,
  linkNameKey,
  NFNLGRP_NFTABLES,
  NftSocket,
  NftTransactions,
  type SetElements,
} from './nftables.ts'
export * as rtnetlink from './rtnetlink.ts'
