import type { FastifyInstance } from 'fastify'

/** The headers of a browser that asks for a page. */
export const HTML = { accept: 'text/html', host: 'depot.example' }
const ORIGIN = 'http://depot.example'

/** A browser without scripts: it keeps cookies, and sends the forms of pages. */
export class FormBrowser {
  readonly cookies = new Map<string, string>()
  readonly #app: FastifyInstance

  constructor(server: FastifyInstance) {
    this.#app = server
  }

  async get(url: string, headers: Record<string, string> = {}) {
    return this.#keep(await this.#app.inject({ url, headers: { ...HTML, ...this.#cookie(), ...headers } }))
  }

  /** Sends fields as the form of a page does; `origin` and `_csrf` can be replaced. */
  async post(url: string, fields: Record<string, string>, headers: Record<string, string> = {}) {
    return this.#keep(
      await this.#app.inject({
        method: 'POST',
        url,
        headers: {
          ...HTML,
          ...this.#cookie(),
          origin: ORIGIN,
          'content-type': 'application/x-www-form-urlencoded',
          ...headers,
        },
        payload: new URLSearchParams(fields).toString(),
      }),
    )
  }

  async formToken(url: string): Promise<string> {
    return /name="_csrf" value="([^"]+)"/.exec((await this.get(url)).body)?.[1] ?? ''
  }

  /** Returns the hidden fields of the forms on a page that are sent to `path`. */
  async hiddenFields(page: string, path = page): Promise<Record<string, string>> {
    const { body } = await this.get(page)
    const [, ...forms] = body.split(`<form method="post" action="${path}"`)
    const texts = forms.length === 0 ? [body] : forms.map((form) => form.split('</form>', 1)[0] ?? '')
    const fields = texts.join('').matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)
    return Object.fromEntries([...fields].map(([, name = '', value = '']) => [name, value]))
  }

  async signIn(token: string, to = '/') {
    return this.post('/sign-in', { _csrf: await this.formToken('/sign-in'), token, to })
  }

  #cookie() {
    return this.cookies.size === 0
      ? {}
      : { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') }
  }

  #keep<Answer extends Awaited<ReturnType<FastifyInstance['inject']>>>(answer: Answer): Answer {
    for (const { name, value } of answer.cookies)
      if (value === '') this.cookies.delete(name)
      else this.cookies.set(name, value)
    return answer
  }
}
