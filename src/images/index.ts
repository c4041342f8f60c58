/** Image references -> pinned digests -> root filesystems, through skopeo, umoci and mmdebstrap. */
export type { ImageConfig } from '../store/index.ts'
export { checkImageTools } from './check-image-tools.ts'
export { architectureOf, hostArchitecture } from './host-architecture.ts'
export {
  createImages,
  type ImageNews,
  type Images,
  type ImagesOptions,
  type ResolvedImage,
} from './images.ts'
export {
  type PackagesReference,
  parseReference,
  type Reference,
  type RegistryReference,
} from './reference.ts'
