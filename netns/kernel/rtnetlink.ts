/**
 * The few rtnetlink messages that networks are made of (rtnetlink(7)). Each is a `Request`: nothing happens until it
 * is sent, so that many can go in one system call. Link indexes are chosen by the caller, so that a later message
 * can name a link that an earlier one makes.
 */
export * from './links.ts'
export * from './routes.ts'
