import { NOT_FOUND, REFUSED, STRING, empty, json, list, object, shape, text } from './describing.ts'
import type { Description } from './describing.ts'

// What openapi.yaml says of lists, search, events, and of what is done to many releases or takes one away.

const IDENT = shape('HabitatIdent')
const INTEGER = { type: 'integer' }

const pageOf = (items: Parameters<typeof list>[0]) =>
  object({ range_start: INTEGER, range_end: INTEGER, total_count: INTEGER, data: list(items) })
const pages = (items: Parameters<typeof list>[0]) => ({
  200: json('the last page', pageOf(items)),
  206: json('a page, and there is more', pageOf(items)),
  400: empty('a parameter that is none'),
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
  200: empty(
    'done: view, revision and whether anything changed are in Depot-View, Depot-Revision, Depot-Changed',
  ),
  400: empty('no channel, or one that cannot be'),
  ...REFUSED,
  ...NOT_FOUND,
}

/** Relative to the mount. */
export const LIST_ROUTES: Readonly<Record<string, Description>> = {
  'GET /pkgs/:origin/:name/versions': {
    summary: 'The versions of a package, highest first',
    answers: { 200: json('the versions', list(VERSION)) },
  },
  'GET /pkgs/search/:words': {
    summary: 'Find releases, or packages, by the words of their names',
    query: ['range', 'distinct'],
    answers: pages(IDENT),
  },
  'GET /events': {
    summary: 'Promotions and demotions of single releases, newest first',
    query: ['range', 'channel', 'from_date', 'to_date', 'query'],
    answers: pages(EVENT),
  },
  'GET /rdeps/:origin/:name': {
    summary: 'The packages that depend on one',
    query: ['target'],
    answers: { 200: json('by name', object({ origin: STRING, name: STRING, rdeps: list(STRING) })) },
  },
  'DELETE /pkgs/:origin/:name/:version/:release': {
    summary: 'Delete a release',
    query: ['target'],
    answers: {
      204: empty('gone'),
      ...REFUSED,
      ...NOT_FOUND,
      422: text('it is in stable, or others depend on its package; or the target is none'),
    },
  },
  'PATCH /pkgs/:origin/:name/:version/:release/:visibility': {
    summary: 'Make a release `public` or `private`, for every target',
    answers: { 200: empty('it is'), ...REFUSED, ...NOT_FOUND, 422: empty('neither of these') },
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
    summary: 'Promote all that is in one channel into another',
    query: ['channel'],
    needs: ['channel'],
    answers: MOVED_ALL,
  },
  'PUT /channels/:origin/:channel/pkgs/demote': {
    summary: 'Take all that is in one channel out of another',
    query: ['channel'],
    needs: ['channel'],
    answers: MOVED_ALL,
  },
}
