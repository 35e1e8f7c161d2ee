import { LIST_ROUTES } from './packages/descriptions.ts'
import { ORIGIN_ROUTES } from './origins/descriptions.ts'
import { PEOPLE_ROUTES } from './accounts/descriptions.ts'
import {
  NOT_FOUND,
  PARAMETERS,
  REFUSED,
  STRING,
  empty,
  json,
  list,
  object,
  shape,
  text,
} from './conventions/describing.ts'
import type { Description, Schema } from './conventions/describing.ts'

// Describes the Habitat routes for openapi.yaml. The descriptions are separate from the routes because they
// are not enforced: reads refuse nothing, and the protocol documents define the answer to an invalid ident.

const IDENT = shape('HabitatIdent')
const PACKAGE = shape('HabitatPackage')
const LISTED = shape('HabitatListedIdent')
const PAGE = shape('HabitatPage')

const ident = object({ origin: STRING, name: STRING, version: STRING, release: STRING })
const packageShape = object({
  id: STRING,
  owner_id: STRING,
  name: STRING,
  ident: IDENT,
  ident_array: list(STRING),
  origin: STRING,
  checksum: STRING,
  manifest: STRING,
  config: STRING,
  target: STRING,
  deps: list(IDENT),
  tdeps: list(IDENT),
  build_deps: list(IDENT),
  build_tdeps: list(IDENT),
  exposes: list({ type: 'integer' }),
  visibility: STRING,
  package_type: STRING,
  is_a_service: { type: 'boolean' },
  channels: list(STRING),
  created_at: STRING,
  updated_at: STRING,
})
const listed = {
  ...ident,
  properties: { ...(ident['properties'] as object), channels: list(STRING), platforms: list(STRING) },
}
const page = object({
  range_start: { type: 'integer' },
  range_end: { type: 'integer' },
  total_count: { type: 'integer' },
  data: list(LISTED),
})
/** Habitat's JSON shapes that several routes use, by their names in openapi.yaml. */
export const HABITAT_SHAPES = {
  HabitatIdent: ident,
  HabitatPackage: packageShape,
  HabitatListedIdent: listed,
  HabitatPage: page,
}

const CHANNEL = object({
  id: STRING,
  owner_id: STRING,
  name: STRING,
  origin: STRING,
  created_at: STRING,
  updated_at: STRING,
})

const IDENTS = { 200: json('the last page', PAGE), 206: json('a page that is not the last', PAGE) }
const FOUND = { 200: json('the package', PACKAGE), ...NOT_FOUND }
const MOVED = {
  200: empty(
    'success, also if nothing changed. The headers Depot-View, Depot-Revision, Depot-Target and Depot-Changed have the details',
  ),
}

/** Routes by method and path, relative to `/v1/depot`, `/v1` or the URL of a view. */
const ROUTES: Readonly<Record<string, Description>> = {
  'GET /status': { summary: 'Whether the depot answers', answers: { 200: empty('ok') } },
  'GET /views': { summary: 'The names of the open views', answers: { 200: json('names', list(STRING)) } },
  'POST /views/:view/pkgs/:origin/:name/:version/:release/promote': {
    summary: 'Promotes a release into a view',
    query: ['target'],
    answers: { ...MOVED, ...REFUSED, ...NOT_FOUND },
  },

  'GET /pkgs/:origin': { summary: 'Releases of an origin', query: ['range', 'distinct'], answers: IDENTS },
  'GET /pkgs/:origin/:name': {
    summary: 'Releases of a package',
    query: ['range', 'distinct'],
    answers: IDENTS,
  },
  'GET /pkgs/:origin/:name/:version': {
    summary: 'Releases of one version',
    query: ['range', 'distinct'],
    answers: IDENTS,
  },
  'GET /pkgs/:origin/:name/latest': {
    summary: 'The latest release of a package',
    query: ['target'],
    answers: FOUND,
  },
  'GET /pkgs/:origin/:name/:version/latest': {
    summary: 'The latest release of one version',
    query: ['target'],
    answers: FOUND,
  },
  'GET /pkgs/:origin/:name/:version/:release': { summary: 'One release', query: ['target'], answers: FOUND },
  'GET /pkgs/:origin/:name/:version/:release/channels': {
    summary: 'The views that contain a release',
    query: ['target'],
    answers: {
      200: json(
        'by name, descending',
        list(object({ name: STRING, created_at: STRING, promoted_at: STRING })),
      ),
    },
  },
  'GET /pkgs/:origin/:name/:version/:release/download': {
    summary: 'The file of a release; its name is in X-Filename',
    query: ['target'],
    answers: {
      200: {
        description: 'the whole file',
        content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
      },
      206: {
        description: 'the requested range',
        content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
      },
      304: empty('the client has it (If-None-Match)'),
      416: empty('the range is beyond the end of the file'),
      ...NOT_FOUND,
    },
  },
  'POST /pkgs/:origin/:name/:version/:release': {
    summary: 'Uploads a release',
    query: ['target', 'checksum', 'forced'],
    needs: ['checksum'],
    consumes: ['application/octet-stream', 'multipart/form-data'],
    body: {
      type: 'string',
      format: 'binary',
      description: 'the file itself, or a form with the part `file`',
    },
    answers: {
      200: text('published, for a client that sent a form'),
      201: text('published'),
      ...REFUSED,
      404: empty('the origin does not exist'),
      409: empty('already published'),
      413: empty('too large'),
      422: text('invalid archive, checksum, signature, ident or target'),
      501: empty('the depot does not accept this target'),
      507: empty('not enough disk space'),
    },
  },

  'GET /channels/:origin': {
    summary: "An origin's channels",
    query: ['sandbox'],
    answers: { 200: json('by name', list(object({ name: STRING }))) },
  },
  'POST /channels/:origin/:channel': {
    summary: 'Makes a channel',
    answers: { 201: json('created', CHANNEL), ...REFUSED, 409: empty('it already exists') },
  },
  'DELETE /channels/:origin/:channel': {
    summary: "Deletes a channel and removes the origin's releases from its view",
    answers: { 200: empty('deleted'), ...REFUSED },
  },
  'GET /channels/:origin/:channel/pkgs/:name/latest': {
    summary: 'The latest release of a package in a channel',
    query: ['target'],
    answers: FOUND,
  },
  'GET /channels/:origin/:channel/pkgs/:name/:version/latest': {
    summary: 'The latest release of one version in a channel',
    query: ['target'],
    answers: FOUND,
  },
  'GET /channels/:origin/:channel/pkgs/:name/:version/:release': {
    summary: 'One release, if it is in the channel',
    query: ['target'],
    answers: FOUND,
  },
  'PUT /channels/:origin/:channel/pkgs/:name/:version/:release/promote': {
    summary: 'Promotes a release',
    query: ['target'],
    answers: { ...MOVED, ...REFUSED, ...NOT_FOUND },
  },
  'PUT /channels/:origin/:channel/pkgs/:name/:version/:release/demote': {
    summary: 'Demotes a release',
    query: ['target'],
    answers: { ...MOVED, 400: empty('the release is not in the channel'), ...REFUSED, ...NOT_FOUND },
  },

  ...LIST_ROUTES,
  ...ORIGIN_ROUTES,
  ...PEOPLE_ROUTES,
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
