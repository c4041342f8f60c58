/** The PATH of a container whose image and definition say none. It is part of the digest of its exec. */
export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
