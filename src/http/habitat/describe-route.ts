import { ACCOUNT_ROUTES } from './accounts/descriptions.ts'
import { CHANNEL_ROUTES } from './channels/descriptions.ts'
import { PARAMETERS, empty, schemaOf, text } from './conventions/describing.ts'
import type { Description, Schema } from './conventions/describing.ts'
import { ORIGIN_ROUTES } from './origins/descriptions.ts'
import { PACKAGE_ROUTES } from './packages/descriptions.ts'
import { VIEW_ROUTES } from './views/descriptions.ts'

// Describes the Habitat routes for openapi.yaml. The descriptions are separate from the routes because they
// are not enforced: reads refuse nothing, and the protocol documents define the answer to an invalid ident.

/** Routes by method and path, relative to `/v1/depot`, `/v1` or the URL of a view. */
const ROUTES: Readonly<Record<string, Description>> = {
  'GET /status': {
    operationId: 'habitatGetStatus',
    summary: 'Answers while the depot runs',
    description: 'For health checks of Habitat clients. The answer has no body.',
    answers: { 200: empty('ok') },
  },
  ...VIEW_ROUTES,
  ...PACKAGE_ROUTES,
  ...CHANNEL_ROUTES,
  ...ORIGIN_ROUTES,
  ...ACCOUNT_ROUTES,
}

const BELOW_A_VIEW = '/views/:view'
/** Routes that Builder serves only under `/v1`. */
const UNMOUNTED = /^\/v1\/(status|user|profile(?!\/license)|settings|rdeps)(\/|$)/

/**
 * Describes a route for openapi.yaml. Most routes are served under `/v1/depot` and, as in 2016, under `/v1`,
 * but they are described once. Routes that only refuse (not-served.ts) are left out. Throws for a route
 * without a description.
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
  const { query = [], needs = [], body, consumes, answers, ...texts } = description
  const isBelowView = own === undefined
  return {
    tags: [isBelowView ? 'Habitat, below the URL of a view' : 'Habitat'],
    operationId: isBelowView ? `${texts.operationId}InView` : texts.operationId,
    summary: isBelowView ? `${texts.summary}, within the view` : texts.summary,
    description: isBelowView
      ? `${texts.description} For clients whose depot URL is the URL of the view.`
      : texts.description,
    ...(query.length > 0 && {
      querystring: {
        type: 'object',
        properties: Object.fromEntries(query.map((name) => [name, PARAMETERS[name]])),
        required: needs,
      },
    }),
    ...(body !== undefined && { body: schemaOf(body, 'input'), consumes }),
    response: { ...(query.includes('target') && { 422: text('the target is invalid') }), ...answers },
  }
}
