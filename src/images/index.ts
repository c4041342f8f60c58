/** Image references -> pinned digests -> root filesystems, through skopeo, umoci and mmdebstrap. */
export type { ImageConfig } from '../store/index.ts'
export { checkImageTools } from './check-image-tools.ts'
export { createImages, type Images, type ResolvedImage, type ResolveOptions } from './images.ts'
export { parseReference, type Reference } from './reference.ts'
