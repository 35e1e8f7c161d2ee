import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The folder of package.json, of the migrations and of openapi.yaml. `src/` is in it, and so is `dist/`,
 * whose files lie beside each other.
 */
export const PACKAGE_ROOT = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')

/** Returns the version in package.json. */
export function readVersion(): string {
  const { version } = createRequire(import.meta.url)(join(PACKAGE_ROOT, 'package.json')) as {
    version: string
  }
  return version
}
