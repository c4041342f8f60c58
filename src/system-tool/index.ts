/** Runs programs of the host (cp, tar, skopeo, …) so that none of them outlives its caller or this process. */
export { type PipedTool, runTool, type ToolOptions, type ToolResult } from './run-tool.ts'
export { fullDiskError, lastWords, toolError } from './tool-errors.ts'
