import {
  NOT_FOUND,
  REFUSED,
  STRING,
  empty,
  json,
  list,
  object,
  shape,
  text,
} from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'

// Describes lists, search, events, bulk changes and deletions for openapi.yaml.

const IDENT = shape('HabitatIdent')
const INTEGER = { type: 'integer' }

const pageOf = (items: Parameters<typeof list>[0]) =>
  object({ range_start: INTEGER, range_end: INTEGER, total_count: INTEGER, data: list(items) })
const pages = (items: Parameters<typeof list>[0]) => ({
  200: json('the last page', pageOf(items)),
  206: json('a page that is not the last', pageOf(items)),
  400: empty('an invalid parameter'),
})

const VERSION = object({
  origin: STRING,
  name: STRING,
  version: STRING,
  release_count: STRING,
  latest: STRING,
  platforms: list(STRING),
  visibility: STRING,
})
const EVENT = object({
  operation: STRING,
  created_at: STRING,
  origin: STRING,
  channel: STRING,
  package_ident: IDENT,
})
const MOVED_ALL = {
  200: empty('success; the headers Depot-View, Depot-Revision and Depot-Changed have the details'),
  400: empty('the channel is missing or invalid'),
  ...REFUSED,
  ...NOT_FOUND,
}

/** Routes by method and path, relative to the mount. */
export const LIST_ROUTES: Readonly<Record<string, Description>> = {
  'GET /pkgs/:origin/:name/versions': {
    summary: 'The versions of a package, highest first',
    answers: { 200: json('the versions', list(VERSION)) },
  },
  'GET /pkgs/search/:words': {
    summary: 'Finds releases or packages by words in their names',
    query: ['range', 'distinct'],
    answers: pages(IDENT),
  },
  'GET /events': {
    summary: 'Promotions and demotions of single releases, newest first',
    query: ['range', 'channel', 'from_date', 'to_date', 'query'],
    answers: pages(EVENT),
  },
  'GET /rdeps/:origin/:name': {
    summary: 'The packages that depend on a package',
    query: ['target'],
    answers: { 200: json('by name', object({ origin: STRING, name: STRING, rdeps: list(STRING) })) },
  },
  'DELETE /pkgs/:origin/:name/:version/:release': {
    summary: 'Deletes a release',
    query: ['target'],
    answers: {
      204: empty('deleted'),
      ...REFUSED,
      ...NOT_FOUND,
      422: text('the release is in stable, other packages depend on it, or the target is invalid'),
    },
  },
  'PATCH /pkgs/:origin/:name/:version/:release/:visibility': {
    summary: 'Makes an ident `public` or `private` for all of its targets',
    answers: { 200: empty('success'), ...REFUSED, ...NOT_FOUND, 422: empty('not a valid visibility') },
  },
  'GET /channels/:origin/:channel/pkgs': {
    summary: 'Releases in a channel',
    query: ['range'],
    answers: pages(IDENT),
  },
  'GET /channels/:origin/:channel/pkgs/:name': {
    summary: 'Releases of a package in a channel',
    query: ['range'],
    answers: pages(IDENT),
  },
  'GET /channels/:origin/:channel/pkgs/:name/:version': {
    summary: 'Releases of one version in a channel',
    query: ['range'],
    answers: pages(IDENT),
  },
  'GET /channels/:origin/:channel/pkgs/_latest': {
    summary: 'The latest release of every package in a channel',
    query: ['target'],
    answers: {
      200: json('by name', object({ channel: STRING, target: STRING, data: list(IDENT) })),
      400: empty('no target'),
    },
  },
  'PUT /channels/:origin/:channel/pkgs/promote': {
    summary: 'Promotes all releases of one channel into another',
    query: ['channel'],
    needs: ['channel'],
    answers: MOVED_ALL,
  },
  'PUT /channels/:origin/:channel/pkgs/demote': {
    summary: 'Removes all releases of one channel from another',
    query: ['channel'],
    needs: ['channel'],
    answers: MOVED_ALL,
  },
}
