/**
 * The addresses where clouds tell a machine its secrets (169.254.169.254 and others): nobody in a network reaches them.
 */

/** Besides 169.254.0.0/16: Alibaba and Azure by IPv4, Amazon and Google by IPv6. */
const metadataAddresses = { ipv4: '100.100.100.200, 168.63.129.16', ipv6: 'fd00:ec2::254, fd20:ce::254' }

/** The rules of a chain, in nft's language; link-local addresses are refused with them. */
export const refuseMetadata = `
    ip daddr { 169.254.0.0/16, ${metadataAddresses.ipv4} } goto refused
    ip6 daddr { fe80::/10, ${metadataAddresses.ipv6} } goto refused`
