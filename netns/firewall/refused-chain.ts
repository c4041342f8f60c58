/**
 * The chain that other rules go to. Refused at once, never dropped in silence. For TCP by a reset: of ICMP errors the
 * kernel sends few to one place in a second, and one that arrives while connect() still holds the socket is lost, which
 * between two namespaces of one machine is the rule. The connection would hang until its SYN is sent again.
 */
export const refusedChain = `chain refused {
    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited
  }`
