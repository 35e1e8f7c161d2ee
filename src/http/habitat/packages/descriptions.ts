import { z } from 'zod'
import { NOT_FOUND, REFUSED, empty, json, pages, schemaOf, text } from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'
import { Ident, pageOf } from '../conventions/shapes.ts'
import {
  ChangedSettings,
  Dependents,
  ListedPackage,
  ListedRelease,
  Package,
  ReleaseChannel,
  Settings,
  Version,
} from './shapes.ts'

// Describes the routes of packages, their lists and their settings for openapi.yaml.

/** The answers of requests for one package. */
export const FOUND = { 200: json('the package', Package), ...NOT_FOUND }
const ListPage = pageOf(z.union([ListedRelease, ListedPackage])).meta({ id: 'HabitatPage' })
const LISTS = { 200: json('the last page', ListPage), 206: json('a page that is not the last', ListPage) }

/** Routes by method and path, relative to the mount. */
export const PACKAGE_ROUTES: Readonly<Record<string, Description>> = {
  'GET /pkgs/:origin': { summary: 'Releases of an origin', query: ['range', 'distinct'], answers: LISTS },
  'GET /pkgs/:origin/:name': {
    summary: 'Releases of a package',
    query: ['range', 'distinct'],
    answers: LISTS,
  },
  'GET /pkgs/:origin/:name/:version': {
    summary: 'Releases of one version',
    query: ['range', 'distinct'],
    answers: LISTS,
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
      200: json('by name, descending', z.array(ReleaseChannel)),
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
  'GET /pkgs/:origin/:name/versions': {
    summary: 'The versions of a package, highest first',
    answers: { 200: json('the versions', z.array(Version)) },
  },
  'GET /pkgs/search/:words': {
    summary: 'Finds releases or packages by words in their names',
    query: ['range', 'distinct'],
    answers: pages(Ident),
  },
  'GET /rdeps/:origin/:name': {
    summary: 'The packages that depend on a package',
    query: ['target'],
    answers: { 200: json('by name', Dependents) },
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
  'GET /:origin/pkgs': {
    summary: "Settings of an origin's packages, by name",
    query: ['range'],
    answers: {
      200: json('the last page', pageOf(Settings)),
      206: json('a page that is not the last', pageOf(Settings)),
    },
  },
  'GET /settings/:origin/:name': {
    summary: 'Settings of a package',
    answers: { 200: json('the settings', Settings), ...REFUSED, ...NOT_FOUND },
  },
  'POST /settings/:origin/:name': {
    summary: 'Creates the settings of a package with the default visibility of its origin (maintainers)',
    answers: {
      201: json('made', Settings),
      ...REFUSED,
      ...NOT_FOUND,
      409: empty('they already exist'),
      422: empty('invalid package name'),
    },
  },
  'PUT /settings/:origin/:name': {
    summary: 'Sets the visibility of future releases of a package (maintainers)',
    body: schemaOf(ChangedSettings),
    consumes: ['application/json'],
    answers: { 200: json('set', Settings), 400: empty('invalid body'), ...REFUSED, ...NOT_FOUND },
  },
  'DELETE /settings/:origin/:name': {
    summary: 'Deletes the settings of a package (maintainers)',
    answers: { 204: empty('deleted'), ...REFUSED, ...NOT_FOUND, 409: empty('the package has releases') },
  },
}
