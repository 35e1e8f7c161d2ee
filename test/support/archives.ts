import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { signHart } from '../../src/hart/pack.ts'
import { buildHart, buildXz, joinXz, makeKeys } from './build-hart.ts'
import type { BuildHartOptions } from './build-hart.ts'

export const MIB = 1024 * 1024

export const FOLDER = 'hab/pkgs/acme/app/1.0.0/20260101120000/'

/** An archive of 64 MiB of zeros. */
export const ZEROS = readFileSync(new URL('../fixtures/xz/zeros-64MiB.xz', import.meta.url))

/** The id of an account, for calls that need any. */
export const ANYONE = 1

/** Writes a payload to a file in `folder`, and returns its path. */
export function savePayload(folder: string, payload: Buffer): string {
  const path = join(folder, 'payload.tar.xz')
  writeFileSync(path, payload)
  return path
}

/** Returns the archive of a package, without its header. */
export function payloadOf(options: BuildHartOptions): Buffer {
  const { bytes } = buildHart(options)
  return bytes.subarray(signHart(Buffer.alloc(0), makeKeys('acme').secretKey).length)
}

/** Cuts off the two blocks of zeros that end a tar file. */
export function withoutEnd(tar: Buffer): Buffer {
  return tar.subarray(0, -1024)
}

/** Builds an archive that starts with `start`, has no end, and continues with zeros. */
export function followedByZeros(start: Buffer, times: number): Buffer {
  return joinXz(buildXz(start), ...Array.from({ length: times }, () => ZEROS))
}
