import { DepotError, quote } from '../errors.ts'
import type { TarEntry } from './tar.ts'

// Checks the paths in an archive.
//
// The depot never unpacks an archive, but `hab` unpacks it as root, in some versions directly into /. So
// every entry must be inside the package's own folder,
// `[/][opt/]hab/pkgs/{origin}/{name}/{version}/{release}/` (habitat-today.md 5; macOS has /opt), or be one of
// the folders above it, which Windows packages list. The depot refuses:
//
//   - `..`, `.` and empty parts in a path: no packer writes them, and two readers may interpret them differently
//   - devices and pipes
//   - a hard link to a file outside the package's folder
//   - an entry below a symbolic link of the same archive, because it would land wherever that link points,
//     and a hard link to a file below one. A hard link to a symbolic link counts as a symbolic link
//
// Windows treats a backslash as a slash, so these rules also hold for the parts between backslashes. Other
// backslashes are accepted, because files of Linux packages have them, for example `\x2d` in systemd's units.
//
// Symbolic links may point anywhere. Those of real packages point to other packages, to /etc and to /proc.
//
// The scan stops once it has all metadata, so later entries are not checked. The signature, not these checks,
// protects the machines: a trusted signer can run anything as root in the hooks of a package. The checks
// protect against mistakes in the tools that unpack.

/** The maximum length of the names of all symbolic links of one archive, which are kept in memory. */
export const MAX_SYMLINK_NAMES_BYTES = 16 * 1024 * 1024

const FOLDERS_IN_PREFIX = 6 // hab pkgs origin name version release

/**
 * Checks the paths of one archive's entries, in order. The first entry in a package's folder sets the folder.
 */
export class PackagePaths {
  #prefix: readonly string[] | undefined
  #symlinks = new Set<string>()
  #symlinkBytes = 0

  /** Returns an independent object in the same state. */
  copy(): PackagePaths {
    const copy = new PackagePaths()
    copy.#prefix = this.#prefix
    copy.#symlinks = new Set(this.#symlinks)
    copy.#symlinkBytes = this.#symlinkBytes
    return copy
  }

  /** The `origin/name/version/release` of the package's folder; `undefined` before the first entry in it. */
  get ident(): string | undefined {
    return this.#prefix?.slice(-4).join('/')
  }

  /**
   * Returns the entry's path below the package's folder, or `undefined` for that folder and those above it.
   * Throws `hart_malformed` if the archive may not hold the entry.
   */
  enter(entry: TarEntry): string | undefined {
    const parts = split(entry.path)
    const own = this.#partsInPackage(parts)
    if (entry.type === 'device') throw malformed(`${quote(entry.path)} in its archive is a device`)
    if (own === undefined) {
      if (entry.type !== 'folder')
        throw malformed(`${quote(entry.path)} in its archive is outside of the folder of a package`)
      return undefined
    }
    this.#refuseBelowSymlink(own, entry.path)
    if (entry.type === 'symlink' || (entry.type === 'hardlink' && this.#isLinkToSymlink(entry)))
      this.#remember(placeOf(own))
    return own.join('/')
  }

  /**
   * Returns a path relative to the package's folder; `undefined` for paths outside of the folder, and while
   * the folder is not known.
   */
  below(path: string): string | undefined {
    const prefix = this.#prefix?.join('/')
    const relative = path.replace(/^\//, '')
    return prefix !== undefined && relative.startsWith(`${prefix}/`)
      ? relative.slice(prefix.length + 1)
      : undefined
  }

  /**
   * Returns the parts of a path below the package's folder; `undefined` for that folder and those above it.
   * Throws for other paths.
   */
  #partsInPackage(parts: readonly string[]): readonly string[] | undefined {
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

  /** Reports whether a hard link leads to a symbolic link. Throws if it may leave the package. */
  #isLinkToSymlink({ path, link }: TarEntry): boolean {
    const target = this.#partsInPackage(split(link))
    if (target === undefined)
      throw malformed(`${quote(path)} in its archive is a link to ${quote(link)}, outside of the package`)
    this.#refuseBelowSymlink(target, link)
    return this.#symlinks.has(placeOf(target))
  }

  #refuseBelowSymlink(own: readonly string[], path: string): void {
    if (this.#symlinks.size === 0) return
    const parts = placeOf(own).split('/')
    for (let depth = 1; depth < parts.length; depth += 1) {
      const folder = parts.slice(0, depth).join('/')
      if (this.#symlinks.has(folder))
        throw malformed(`${quote(path)} in its archive lies below the symbolic link ${quote(folder)}`)
    }
  }

  #remember(name: string): void {
    this.#symlinks.add(name)
    this.#symlinkBytes += name.length
    if (this.#symlinkBytes > MAX_SYMLINK_NAMES_BYTES)
      throw malformed('its archive has too many symbolic links')
  }
}

/** An empty part, or one with `.` or `..` between backslashes. */
const FORBIDDEN_PART = /^$|(?:^|\\)\.\.?(?:\\|$)/

function split(path: string): string[] {
  const parts = path.replace(/^\//, '').replace(/\/$/, '').split('/')
  const wrong = parts.find((part) => FORBIDDEN_PART.test(part))
  if (wrong !== undefined)
    throw malformed(`the path ${quote(path)} in its archive has the forbidden part ${quote(wrong)}`)
  return parts
}

/** Returns the place of an entry below the package's folder on Windows, with slashes. */
function placeOf(own: readonly string[]): string {
  return own.join('/').replaceAll('\\', '/')
}

function malformed(why: string): DepotError {
  return new DepotError('hart_malformed', why)
}
