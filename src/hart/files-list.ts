// FILES, which `hab` writes into a package after all other files but MANIFEST (habitat-2016.md 7.1): five lines like those of a hart
// file, then for each file
//
//   hex digest, two spaces, /hab/pkgs/{origin}/{name}/{version}/{release}/{path}
//
// It is only read to know what there is still to come. Large packages have one of many megabytes, so it is read as it passes, and
// only names that matter are kept. Its own signature is not checked: it is part of what the package's signer signed. One that leaves
// out a metafile makes the scan end before that metafile, which then counts as absent; one that names a metafile which is not there
// makes the scan read on to the end. Either way the signer has only described their own package wrongly, as they could have by
// leaving the metafile out.

const HEADER_LINES = 5
const LONGEST_LINE = 8192

/** Collects the paths for which `matters` holds. */
export class FilesList {
  readonly #matters: (path: string) => boolean
  readonly #paths = new Set<string>()
  #line = ''
  #lines = 0
  #readable = true

  constructor(matters: (path: string) => boolean) {
    this.#matters = matters
  }

  write(bytes: Uint8Array): void {
    if (!this.#readable) return
    const lines = (
      this.#line + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
    ).split('\n')
    this.#line = lines.pop() ?? ''
    for (const line of lines) this.#take(line.trim())
    if (this.#line.length > LONGEST_LINE) this.#readable = false
  }

  /** What was found, or `undefined` when it is no list of files. */
  end(): ReadonlySet<string> | undefined {
    if (this.#line !== '') this.#take(this.#line.trim())
    return this.#readable && this.#lines > HEADER_LINES ? this.#paths : undefined
  }

  #take(line: string): void {
    this.#lines += 1
    if (this.#lines === 1 && line !== 'HART-1') this.#readable = false
    if (this.#lines <= HEADER_LINES || line === '') return
    const [, path] = /^[0-9a-f]{64} {2}(.+)$/.exec(line) ?? []
    if (path === undefined) this.#readable = false
    else if (this.#matters(path)) this.#paths.add(path)
  }
}
