/**
 * The chain that other rules go to in order to refuse. It refuses at once and never drops in silence. TCP gets a reset:
 * the kernel sends few ICMP errors to one place in a second, and one that arrives while connect() still holds the
 * socket is lost, which is the rule between two namespaces of one machine. The connection would hang until its SYN is
 * sent again.
 */
export const refusedChain = `chain refused {
    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited
  }`
