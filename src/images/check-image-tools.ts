import { access } from 'node:fs/promises'
import { runTool } from '../system-tool/index.ts'
import { debianKeyring } from './debian/debian-packages.ts'

/** One thing that fetching and building images needs, as `moorage doctor` shows it. */
interface ToolCheck {
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

const remedy = 'moorage setup installs it'

/** Looks for the tools and the keyring that images need, for `moorage doctor`. */
export async function checkImageTools(): Promise<ToolCheck[]> {
  const checks = tools.map(async ([name, use]): Promise<ToolCheck> => {
    try {
      const { stdout, stderr } = await runTool(name, ['--version'])
      const [version = ''] = (String(stdout) || stderr).trim().split('\n')
      return { name, ok: true, detail: `${version} (${use})`, remedy }
    } catch (error) {
      return { name, ok: false, detail: `${(error as Error).message} (${use})`, remedy }
    }
  })
  const keyring = access(debianKeyring).then(
    (): ToolCheck => ({ name: 'keyring', ok: true, detail: debianKeyring, remedy }),
    (error): ToolCheck => ({ name: 'keyring', ok: false, detail: (error as Error).message, remedy }),
  )
  return Promise.all([...checks, keyring])
}
