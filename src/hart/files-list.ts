// FILES lists the files of a package. `hab` writes it after all other files but MANIFEST (habitat-2016.md
// 7.1): five lines like those of a hart file, then for each file
//
//   hex digest, two spaces, /hab/pkgs/{origin}/{name}/{version}/{release}/{path}
//
// The scan of an archive reads FILES only to learn which metafiles are still to come. The list may have many
// megabytes, so it is parsed in chunks, and only paths that matter are kept. Its own signature is not
// checked, because the package's signature covers it. If the list omits a metafile, the scan may end before
// that metafile, which then counts as absent. If the list names a metafile that does not exist, the scan
// reads to the end of the archive. In both cases signers only describe their own package wrongly, which they
// can also do by omitting the metafile.

const HEADER_LINES = 5
const MAX_LINE_BYTES = 8192

/** Collects the listed paths for which `matters` returns true. */
export class FilesList {
  readonly #matters: (path: string) => boolean
  readonly #paths = new Set<string>()
  #line = ''
  #lines = 0
  #isValid = true

  constructor(matters: (path: string) => boolean) {
    this.#matters = matters
  }

  write(bytes: Uint8Array): void {
    if (!this.#isValid) return
    const lines = (
      this.#line + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
    ).split('\n')
    this.#line = lines.pop() ?? ''
    for (const line of lines) this.#take(line.trim())
    if (this.#line.length > MAX_LINE_BYTES) this.#isValid = false
  }

  /** Returns the collected paths, or `undefined` if the content was not a list of files. */
  end(): ReadonlySet<string> | undefined {
    if (this.#line !== '') this.#take(this.#line.trim())
    return this.#isValid && this.#lines > HEADER_LINES ? this.#paths : undefined
  }

  #take(line: string): void {
    this.#lines += 1
    if (this.#lines === 1 && line !== 'HART-1') this.#isValid = false
    if (this.#lines <= HEADER_LINES || line === '') return
    const [, path] = /^[0-9a-f]{64} {2}(.+)$/.exec(line) ?? []
    if (path === undefined) this.#isValid = false
    else if (this.#matters(path)) this.#paths.add(path)
  }
}
