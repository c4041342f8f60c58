import { access } from 'node:fs/promises'
import { runTool } from './tool.ts'

/** One thing that fetching and building images needs. */
interface ToolProbe {
  name: string
  ok: boolean
  detail: string
  remedy: string
}

const tools: readonly [name: string, use: string][] = [
  ['skopeo', 'fetches images from registries'],
  ['umoci', 'unpacks them'],
  ['mmdebstrap', 'builds root filesystems from Debian packages'],
  ['tar', 'unpacks directories'],
]

/** Looks for the tools that images need. */
export async function checkImageTools(): Promise<ToolProbe[]> {
  const remedy = 'moorage setup installs it'
  const found = tools.map(async ([name, use]) => {
    try {
      const { stdout, stderr } = await runTool(name, ['--version'])
      const [version = ''] = (String(stdout) || stderr).trim().split('\n')
      return { name, ok: true, detail: `${version} (${use})`, remedy }
    } catch (error) {
      return { name, ok: false, detail: `${(error as Error).message} (${use})`, remedy }
    }
  })
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  const key = access(keyring).then(
    () => ({ name: 'keyring', ok: true, detail: keyring, remedy }),
    () => ({ name: 'keyring', ok: false, detail: `${keyring} is missing`, remedy }),
  )
  return Promise.all([...found, key])
}
