import { ACCOUNT_ROUTES } from './accounts/descriptions.ts'
import { CHANNEL_ROUTES } from './channels/descriptions.ts'
import { PARAMETERS, empty, text } from './conventions/describing.ts'
import type { Description, Schema } from './conventions/describing.ts'
import { ORIGIN_ROUTES } from './origins/descriptions.ts'
import { PACKAGE_ROUTES } from './packages/descriptions.ts'
import { VIEW_ROUTES } from './views/descriptions.ts'

// Describes the Habitat routes for openapi.yaml. The descriptions are separate from the routes because they
// are not enforced: reads refuse nothing, and the protocol documents define the answer to an invalid ident.

/** Routes by method and path, relative to `/v1/depot`, `/v1` or the URL of a view. */
const ROUTES: Readonly<Record<string, Description>> = {
  'GET /status': { summary: 'Whether the depot answers', answers: { 200: empty('ok') } },
  ...VIEW_ROUTES,
  ...PACKAGE_ROUTES,
  ...CHANNEL_ROUTES,
  ...ORIGIN_ROUTES,
  ...ACCOUNT_ROUTES,
}

const BELOW_A_VIEW = '/views/:view'
/** Routes that Builder serves only under `/v1`. */
const UNMOUNTED = /^\/v1\/(status|user|profile|settings|ext|rdeps)(\/|$)/

/**
 * Describes a route for openapi.yaml. Most routes are served under `/v1/depot` and, as in 2016, under `/v1`,
 * but they are described once. Throws for a route without a description.
 */
export function describeHabitatRoute(method: string, url: string): Schema {
  const isMounted = url.startsWith('/v1/depot/')
  if ((!isMounted && !UNMOUNTED.test(url)) || /\/views\/:view(\/depot\/.*|\/\*)?$/.test(url))
    return { hide: true }
  const path = url.slice((isMounted ? '/v1/depot' : '/v1').length)
  const own = ROUTES[`${method} ${path}`]
  const inherited = path.startsWith(`${BELOW_A_VIEW}/`)
    ? ROUTES[`${method} ${path.slice(BELOW_A_VIEW.length)}`]
    : undefined
  const description = own ?? inherited
  if (description === undefined)
    throw new Error(`${method} ${url} has no description: add one to ${import.meta.filename}`)
  const { summary, query = [], needs = [], body, consumes, answers } = description
  return {
    tags: [own === undefined ? 'Habitat, below the URL of a view' : 'Habitat'],
    summary: own === undefined ? `${summary}, within the view` : summary,
    ...(query.length > 0 && {
      querystring: {
        type: 'object',
        properties: Object.fromEntries(query.map((name) => [name, PARAMETERS[name]])),
        required: needs,
      },
    }),
    ...(body !== undefined && { body, consumes }),
    response: { ...(query.includes('target') && { 422: text('the target is invalid') }), ...answers },
  }
}
