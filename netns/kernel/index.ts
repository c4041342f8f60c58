/** The kernel, as far as Node does not reach it: for `moorage/netns`, and for whoever else needs a system call. */
export { kernelError, NetnsError, type NetnsErrorCode } from './errors.ts'
export {
  bindMount,
  freeSpace,
  lockFile,
  type MountLimits,
  makePipe,
  mountOverlay,
  type OverlayLayers,
  openInRoot,
  openOverlay,
  openProc,
  openRoot,
  peerCredentials,
  umount,
} from './filesystem.ts'
export {
  AF_INET,
  AF_INET6,
  addressOctets,
  bind,
  type EndedChild,
  endedChild,
  linkIndex,
  receiveMany,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sendMany,
  setChildSubreaper,
  setPipeSize,
  setsockopt,
  sockaddrSize,
  socket,
  socketName,
  type Watch,
  watch,
} from './libc.ts'
export { Messages } from './messages.ts'
export { Monitor, type Notice } from './monitor.ts'
export { createNamespace, inNamespace, leaveThread } from './namespace.ts'
export { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket, type Request, u32 } from './netlink.ts'
export {
  concatenation,
  linkNameKey,
  NFNLGRP_NFTABLES,
  NftSocket,
  type NftTransaction,
  NftTransactions,
  type SetElements,
} from './nftables.ts'
export * as rtnetlink from './rtnetlink.ts'
