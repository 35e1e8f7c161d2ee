import { basename } from 'node:path'
import { formatIdent } from '../../../src/package/ident.ts'
import { ask } from '../ask.ts'
import type { Answer, Asked } from '../ask.ts'
import type { BuiltHart } from '../build-hart.ts'

// The requests of the Ruby gem habitat-client 0.6 to 0.8 (habitat-2016.md 5). It sends no token of its own,
// but Faraday turns the user and password of its URL into Basic authentication.

const BOUNDARY = '-----------RubyMultipartPost'

export class HabitatClient {
  readonly #base: string
  readonly #authorization: { authorization?: string }

  /** `depotUrl` is `http://ci:TOKEN@host:port/v1/depot`, or the same without `ci:TOKEN@`. */
  constructor(depotUrl: string) {
    const url = new URL(depotUrl)
    this.#base = `http://${url.host}${url.pathname}`
    const credential = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
    this.#authorization =
      url.username === '' ? {} : { authorization: `Basic ${Buffer.from(credential).toString('base64')}` }
  }

  /** Parses the body whatever the status is. An empty body is a parse error. */
  async showPackage(ident: string): Promise<unknown> {
    const answer = await this.#ask(`pkgs/${complete(ident)}`)
    return JSON.parse(answer.text)
  }

  async fetchPackage(ident: string): Promise<{ fileName: string; bytes: Buffer }> {
    const shown = (await this.showPackage(ident)) as {
      ident: Record<'origin' | 'name' | 'version' | 'release', string>
    }
    const { origin, name, version, release } = shown.ident
    const answer = await this.#expect200('download', `pkgs/${origin}/${name}/${version}/${release}/download`)
    const fileName = answer.headers['x-filename']
    if (typeof fileName !== 'string') throw new TypeError('no implicit conversion of nil into String')
    return { fileName, bytes: answer.body }
  }

  async putPackage(hart: BuiltHart): Promise<void> {
    const body = Buffer.concat([
      Buffer.from(
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="${basename(hart.fileName)}"\r\nContent-Length: ${hart.bytes.length}\r\n` +
          'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n',
      ),
      hart.bytes,
      Buffer.from(`\r\n--${BOUNDARY}--\r\n\r\n`),
    ])
    const headers = {
      'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
      'content-length': body.length,
    }
    await this.#expect200('uploading', `pkgs/${formatIdent(hart.ident)}?checksum=${hart.checksum}`, {
      method: 'POST',
      headers,
      body,
    })
  }

  /** Throws for a partial ident, before any request. */
  async promotePackage(ident: string, view: string): Promise<void> {
    if (ident.split('/').length !== 4)
      throw new Error(`You must specify a fully qualified package identifier, not ${ident}`)
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': 0 }
    await this.#expect200('promote', `views/${view}/pkgs/${ident}/promote`, { method: 'POST', headers })
  }

  async #expect200(what: string, path: string, asked: Asked = {}): Promise<Answer> {
    const answer = await this.#ask(path, asked)
    if (answer.status !== 200) throw new Error(`Depot returned ${answer.status} on ${what}`)
    return answer
  }

  #ask(path: string, asked: Asked = {}): Promise<Answer> {
    const headers = {
      'user-agent': 'Faraday v0.9.2',
      accept: '*/*',
      ...this.#authorization,
      ...asked.headers,
    }
    return ask(`${this.#base}/${path}`, { ...asked, headers })
  }
}

function complete(ident: string): string {
  return ident.split('/').length === 4 ? ident : `${ident}/latest`
}
