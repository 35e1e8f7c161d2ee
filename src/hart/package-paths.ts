import { DepotError, quote } from '../errors.ts'
import type { TarEntry } from './tar.ts'

// What an archive may hold, and where.
//
// Nothing is ever unpacked here, but `hab` unpacks as root what we serve, in some versions straight into /. So everything must lie in
// the package's own folder, `[/][opt/]hab/pkgs/{origin}/{name}/{version}/{release}/` (habitat-today.md 5; macOS has /opt), or be one
// of the folders above it, which Windows packages list. Refused are:
//
//   - `..`, `.` and empty parts in a path: no packer writes them, and two readers may take them differently
//   - devices and pipes
//   - a hard link to anything outside the package's folder
//   - an entry that lies below a symbolic link of the same archive, by which it would land wherever that points
//
// Symbolic links themselves may point anywhere, as those of real packages do: to other packages, to /etc, to /proc.
//
// This holds for what the scan sees. It stops once it has all metadata, and a signer whom the fleet trusts can run anything as root
// in the package's hooks: the signature is what protects the fleet, this keeps it from depending on how careful each tar reader is.

/** Names below the package's folder that are remembered because they are symbolic links. */
export const MOST_SYMLINK_NAMES_BYTES = 16 * 1024 * 1024

const FOLDERS_IN_PREFIX = 6 // hab pkgs origin name version release

/** Follows the entries of one archive. Throws `hart_malformed` for those it may not hold. */
export class PackagePaths {
  #prefix: readonly string[] | undefined
  readonly #symlinks = new Set<string>()
  #symlinkBytes = 0

  /** `origin/name/version/release`, as the folder of the package says; `undefined` before the first entry in it. */
  get ident(): string | undefined {
    return this.#prefix?.slice(-4).join('/')
  }

  /** The entry's path below the package's folder; `undefined` for that folder and those above it. */
  enter(entry: TarEntry): string | undefined {
    const parts = split(entry.path)
    const own = this.#own(parts)
    if (entry.type === 'device') throw malformed(`${quote(entry.path)} in its archive is a device`)
    if (own === undefined) {
      if (entry.type !== 'folder')
        throw malformed(`${quote(entry.path)} in its archive is outside of the folder of a package`)
      return undefined
    }
    this.#refuseBelowSymlink(own, entry.path)
    const name = own.join('/')
    if (entry.type === 'symlink') this.#remember(name)
    if (entry.type === 'hardlink' && this.#own(split(entry.link)) === undefined) {
      throw malformed(
        `${quote(entry.path)} in its archive is a link to ${quote(entry.link)}, outside of the package`,
      )
    }
    return name
  }

  /** A path of this package as it stands in its list of files, below its folder; `undefined` when it is none. */
  below(path: string): string | undefined {
    const prefix = this.#prefix?.join('/')
    const relative = path.replace(/^\//, '')
    return prefix !== undefined && relative.startsWith(`${prefix}/`)
      ? relative.slice(prefix.length + 1)
      : undefined
  }

  #own(parts: readonly string[]): readonly string[] | undefined {
    const root = parts[0] === 'opt' ? 1 : 0
    const length = root + FOLDERS_IN_PREFIX
    const prefix = parts.slice(0, length)
    const expected = this.#prefix ?? (prefix.length === length ? prefix : undefined) ?? []
    const fits = prefix.every((part, i) => part === (expected[i] ?? part))
    if (parts[root] !== 'hab' || (parts[root + 1] ?? 'pkgs') !== 'pkgs' || !fits) {
      throw malformed(`${quote(parts.join('/'))} in its archive is outside of the folder of a package`)
    }
    if (prefix.length === length) this.#prefix ??= prefix
    return parts.length > length ? parts.slice(length) : undefined
  }

  #refuseBelowSymlink(own: readonly string[], path: string): void {
    for (let depth = 1; this.#symlinks.size > 0 && depth < own.length; depth += 1) {
      const folder = own.slice(0, depth).join('/')
      if (this.#symlinks.has(folder))
        throw malformed(`${quote(path)} in its archive lies below the symbolic link ${quote(folder)}`)
    }
  }

  #remember(name: string): void {
    this.#symlinks.add(name)
    this.#symlinkBytes += name.length
    if (this.#symlinkBytes > MOST_SYMLINK_NAMES_BYTES)
      throw malformed('its archive has too many symbolic links')
  }
}

function split(path: string): string[] {
  const parts = path.replace(/^\//, '').replace(/\/$/, '').split('/')
  const wrong = parts.find((part) => part === '..' || part === '.' || part === '')
  if (wrong !== undefined)
    throw malformed(`the path ${quote(path)} in its archive has a part ${quote(wrong)}`)
  return parts
}

function malformed(why: string): DepotError {
  return new DepotError('hart_malformed', why)
}
