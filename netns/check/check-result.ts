/** One thing that the host must have, and what to do where it does not. */
export interface HostCheck {
  name: string
  ok: boolean
  detail: string
  remedy: string
}

export const passed = (name: string, detail: string): HostCheck => ({ name, ok: true, detail, remedy: '' })
