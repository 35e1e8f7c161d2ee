import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The folder that has package.json, the migrations and openapi.yaml. It is the parent of this file's folder:
 * of `src/`, or of `dist/`, where the build puts all files side by side.
 */
export const PACKAGE_ROOT = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')

/** Returns the version in package.json. */
export function readVersion(): string {
  const { version } = createRequire(import.meta.url)(join(PACKAGE_ROOT, 'package.json')) as {
    version: string
  }
  return version
}
