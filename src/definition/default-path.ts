/**
 * The PATH of a container, unless its image or its definition sets another. It is part of the digest of the exec.
 */
export const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
