import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'

// A real OpenID provider on this machine, and a browser with which people sign in there.

export interface TestPerson {
  readonly preferred_username?: string
  readonly groups?: readonly string[]
}

export interface TestProvider {
  readonly issuer: string
  /** The people who can sign in, by their subjects. Tests may change them. */
  readonly people: Map<string, TestPerson>
  /** Opens a URL as a person does who signs in and agrees to everything. Returns the last URL. */
  signIn(url: string, subject: string): Promise<URL>
  /** Opens a URL, and says no. */
  refuse(url: string): Promise<void>
  close(): Promise<void>
}

const MAX_PAGES = 10

export const CLIENT_ID = 'depot'
export const REDIRECT_URL = 'http://127.0.0.1/callback'
/** Where the page of a depot ends a sign-in. The provider accepts any port of the loopback address. */
const PAGE_REDIRECT_URL = 'http://127.0.0.1/sign-in/done'

// The provider warns of everything that a real service would do differently.
for (const level of ['info', 'warn'] as const) {
  const write = console[level].bind(console)
  console[level] = (...words: unknown[]) => {
    if (!/^oidc-provider (NOTICE|WARNING)/.test(String(words[0]))) write(...words)
  }
}

export async function startIdentityProvider(t: {
  teardown(fn: () => Promise<void>): unknown
}): Promise<TestProvider> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const people = new Map<string, TestPerson>()
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT_ID,
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
        redirect_uris: [REDIRECT_URL, PAGE_REDIRECT_URL],
        response_types: ['code'],
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), use: 'sig', alg: 'RS256' }] },
    cookies: { keys: ['of the tests'] },
    claims: { openid: ['sub'], profile: ['preferred_username'], groups: ['groups'] },
    features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
    findAccount: (_context: unknown, subject: string) => {
      const person = people.get(subject)
      return person && { accountId: subject, claims: () => ({ sub: subject, ...person }) }
    },
  })
  server.on('request', provider.callback())
  const close = async () => {
    server.closeAllConnections()
    server.close()
  }
  t.teardown(close)
  return {
    issuer,
    people,
    signIn: (url, subject) => browse(url, { login: subject, password: 'any' }),
    refuse: async (url) => void (await browse(url, { abort: 'yes' }, 1)),
    close,
  }
}

interface Page {
  readonly url: URL
  readonly html: string
}

/**
 * Follows redirects and submits forms, until a page has none, the browser is sent back to the depot, or `forms` were
 * submitted. Returns the last URL.
 */
async function browse(
  start: string,
  answers: Readonly<Record<string, string>>,
  forms = Number.POSITIVE_INFINITY,
): Promise<URL> {
  const cookies = new Map<string, string>()
  const open = async (url: URL, form?: URLSearchParams): Promise<Page> => {
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form !== undefined && { method: 'POST', body: form }),
    })
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (value === '') cookies.delete(name)
      else cookies.set(name, value)
    }
    const location = answer.headers.get('location')
    if (location === null) return { url, html: await answer.text() }
    const next = new URL(location, url)
    return next.href.startsWith(REDIRECT_URL) ? { url: next, html: '' } : open(next)
  }
  let page = await open(new URL(start))
  for (let form = formOf(page), pages = 0; form !== undefined; form = formOf(page), pages += 1) {
    if (pages > MAX_PAGES) throw new Error(`the provider asks again and again: ${page.html}`)
    for (const [name, value] of Object.entries(answers))
      if (name === 'abort' || form.fields.has(name)) form.fields.set(name, value)
    page = await open(form.action, form.fields)
    if (pages + 1 >= forms) break
  }
  return page.url
}

function formOf({ url, html }: Page): { action: URL; fields: URLSearchParams } | undefined {
  const [, attributes = '', content = ''] = /<form([^>]*)>(.*?)<\/form>/s.exec(html) ?? []
  const action = /action="([^"]*)"/.exec(attributes)?.[1]
  if (action === undefined) return undefined
  const fields = new URLSearchParams()
  for (const [tag] of content.matchAll(/<(?:input|button)[^>]*>/g)) {
    const name = /name="([^"]*)"/.exec(tag)?.[1]
    if (name !== undefined && name !== 'abort') fields.set(name, /value="([^"]*)"/.exec(tag)?.[1] ?? '')
  }
  return { action: new URL(action.replaceAll('&amp;', '&'), url), fields }
}
