#!/usr/bin/env node
// Syntax that old Nodes can read: they must get as far as the check.
const major = Number.parseInt(process.versions.node, 10)
if (major < 24) {
  console.error(`moorage: needs Node 24 or newer, this is ${process.version} (${process.execPath})`)
  process.exitCode = 2
} else {
  import('../dist/src/cli/main.js').catch((error) => {
    console.error(error)
    process.exitCode = 1
  })
}
