import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { removeTree } from '../remove-tree.ts'
import { sha256 } from './own-registry.ts'

const gzip = (bytes: Buffer) => gzipSync(bytes, { level: 1 })

export interface Layer {
  bytes: Buffer
  mediaType: string
  diffId: string
}

const compressions = {
  oci: { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', compress: gzip },
  docker: { mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', compress: gzip },
  zstd: { mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd', compress: zstdCompressSync },
}

/** A layer of these files: path -> content. */
export function layerOf(
  files: Record<string, string | Buffer>,
  kind: keyof typeof compressions = 'oci',
): Layer {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-layer-'))
  try {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), content)
    }
    return layerOfTar(execFileSync('tar', ['-c', '-C', directory, '.'], { maxBuffer: 2 ** 28 }), kind)
  } finally {
    removeTree(directory)
  }
}

export function layerOfTar(tar: Buffer, kind: keyof typeof compressions = 'oci'): Layer {
  const { mediaType, compress } = compressions[kind]
  return { bytes: compress(tar), mediaType, diffId: sha256(tar) }
}

/** A tar with one file of any name, which tar itself would not write. */
export function tarOfOne(name: string, text: string, type = '0', link = ''): Buffer {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${text.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write(type, 156)
  header.write(link, 157)
  header.write('ustar\u000000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  const body = Buffer.alloc(Math.ceil(text.length / 512) * 512)
  body.write(text)
  return Buffer.concat([header, body])
}
