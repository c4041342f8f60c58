export * from './messages.ts'
export * from './operations.ts'
