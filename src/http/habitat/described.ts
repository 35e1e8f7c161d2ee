import { LIST_ROUTES } from './described-lists.ts'
import { ORIGIN_ROUTES } from './described-origins.ts'
import { PEOPLE_ROUTES } from './described-people.ts'
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
} from './describing.ts'
import type { Description, Schema } from './describing.ts'

// What openapi.yaml says of the Habitat door. It stands apart from the routes because nothing is checked against it at run time:
// reads refuse nothing, and what a client gets for an impossible ident is decided where the protocol documents say so.

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
/** The shapes of Habitat's JSON that several routes answer, by their names in openapi.yaml. */
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

const IDENTS = { 200: json('the last page', PAGE), 206: json('a page, and there is more', PAGE) }
const FOUND = { 200: json('the package', PACKAGE), ...NOT_FOUND }
const MOVED = {
  200: empty(
    'done, or done before: view, revision, target and whether anything changed are in Depot-View, Depot-Revision, Depot-Target, Depot-Changed',
  ),
}

/** Relative to `/v1`, its mount `/v1/depot`, or a view's URL below it. */
const ROUTES: Readonly<Record<string, Description>> = {
  'GET /status': { summary: 'The depot answers', answers: { 200: empty('it does') } },
  'GET /views': { summary: 'The names of the open views', answers: { 200: json('names', list(STRING)) } },
  'POST /views/:view/pkgs/:origin/:name/:version/:release/promote': {
    summary: 'Promote a release into a view',
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
    summary: 'The views a release is in',
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
        description: 'the whole',
        content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
      },
      206: {
        description: 'the range asked for',
        content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
      },
      304: empty('the client has it (If-None-Match)'),
      416: empty('a range beyond its end'),
      ...NOT_FOUND,
    },
  },
  'POST /pkgs/:origin/:name/:version/:release': {
    summary: 'Upload a release',
    query: ['target', 'checksum', 'forced'],
    needs: ['checksum'],
    consumes: ['application/octet-stream', 'multipart/form-data'],
    body: {
      type: 'string',
      format: 'binary',
      description: 'the file as it is, or as the part `file` of a form',
    },
    answers: {
      200: text('published, for a client that sent a form'),
      201: text('published'),
      ...REFUSED,
      404: empty('no such origin'),
      409: empty('published before'),
      413: empty('larger than the depot takes'),
      422: text('refused: archive, checksum, signature, ident or target are wrong'),
      501: empty('a target that this depot does not take'),
      507: empty('no room'),
    },
  },

  'GET /channels/:origin': {
    summary: "An origin's channels",
    query: ['sandbox'],
    answers: { 200: json('by name', list(object({ name: STRING }))) },
  },
  'POST /channels/:origin/:channel': {
    summary: 'Make a channel',
    answers: { 201: json('made', CHANNEL), ...REFUSED, 409: empty('it is there') },
  },
  'DELETE /channels/:origin/:channel': {
    summary: "Take an origin's releases out of a view, and the channel away",
    answers: { 200: empty('gone'), ...REFUSED },
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
    summary: 'Promote a release',
    query: ['target'],
    answers: { ...MOVED, ...REFUSED, ...NOT_FOUND },
  },
  'PUT /channels/:origin/:channel/pkgs/:name/:version/:release/demote': {
    summary: 'Demote a release',
    query: ['target'],
    answers: { ...MOVED, 400: empty('it is not in the channel'), ...REFUSED, ...NOT_FOUND },
  },

  ...LIST_ROUTES,
  ...ORIGIN_ROUTES,
  ...PEOPLE_ROUTES,
}

const BELOW_A_VIEW = '/views/:view'
/** What Builder serves under `/v1` alone. */
const UNMOUNTED = /^\/v1\/(status|user|profile|settings|ext|rdeps)(\/|$)/

/**
 * A route of this door, for openapi.yaml. Nearly every route stands under `/v1/depot` and under `/v1`, as in 2016; it is described once.
 * Throws for a route that has no description.
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
    summary: own === undefined ? `${summary}, as the view has it` : summary,
    ...(query.length > 0 && {
      querystring: {
        type: 'object',
        properties: Object.fromEntries(query.map((name) => [name, PARAMETERS[name]])),
        required: needs,
      },
    }),
    ...(body !== undefined && { body, consumes }),
    response: { ...(query.includes('target') && { 422: text('a target that is none') }), ...answers },
  }
}
