export interface DepotUrl {
  /** Everything before `/v1` and `/api`, without a slash at the end. */
  readonly base: string
  /** The view, if the URL is that of a view. */
  readonly view: string | undefined
}

/**
 * Parses the address of a depot: its own, that of one of its APIs (`…/v1`, `…/v1/depot`, `…/api/v1`), or that
 * of a view. Throws a RangeError with a sentence for anything else.
 */
export function parseDepotUrl(text: string): DepotUrl {
  let url: URL
  try {
    url = new URL(/^[\w.-]+(:\d+)?(\/|$)/.test(text) ? `http://${text}` : text)
  } catch {
    throw new RangeError(`${JSON.stringify(text)} is not a URL: write it like http://depot.example:9636`)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new RangeError(`${text} must begin with http:// or https://`)
  if (url.username !== '' || url.password !== '')
    throw new RangeError(
      'the URL must not contain a name or a password: give the token with hart-depot login',
    )
  const [, before = '', rest = ''] = /^(.*?)((?:\/v1|\/api\/v1)(?:\/.*)?)?$/.exec(url.pathname) ?? []
  const view = /^\/v1\/depot\/views\/([^/]+)/.exec(rest)?.[1]
  return {
    base: `${url.origin}${before.replace(/\/+$/, '')}`,
    view: view === undefined ? undefined : decodeView(view),
  }
}

function decodeView(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new RangeError(`${JSON.stringify(part)} is not the name of a view: its % encoding is malformed`)
  }
}
