import { NOT_FOUND, REFUSED, empty, file, json, pages, text } from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'
import {
  ChangedSettings,
  Dependents,
  HartFile,
  ListPage,
  Package,
  ReleaseChannels,
  SearchPage,
  Settings,
  SettingsPage,
  Versions,
} from './shapes.ts'

// Describes the routes of packages, their lists and their settings for openapi.yaml.

/** The answers of requests for one package. */
export const FOUND = { 200: json('the package', Package), ...NOT_FOUND }
const LISTS = { 200: json('the last page', ListPage), 206: json('a page that is not the last', ListPage) }

/** Routes by method and path, relative to the mount. */
export const PACKAGE_ROUTES: Readonly<Record<string, Description>> = {
  'GET /pkgs/:origin': {
    operationId: 'habitatListPackagesOfOrigin',
    summary: 'Lists the releases of an origin',
    description:
      '50 items a page; range is the offset of the next one. A negative range asks for the whole list, at most 10,000 items.',
    query: ['range', 'distinct'],
    answers: LISTS,
  },
  'GET /pkgs/:origin/:name': {
    operationId: 'habitatListReleases',
    summary: 'Lists the releases of a package',
    description:
      '50 items a page; range is the offset of the next one. A negative range asks for the whole list, at most 10,000 items.',
    query: ['range', 'distinct'],
    answers: LISTS,
  },
  'GET /pkgs/:origin/:name/:version': {
    operationId: 'habitatListReleasesOfVersion',
    summary: 'Lists the releases of one version',
    description:
      '50 items a page; range is the offset of the next one. A negative range asks for the whole list, at most 10,000 items.',
    query: ['range', 'distinct'],
    answers: LISTS,
  },
  'GET /pkgs/:origin/:name/latest': {
    operationId: 'habitatGetLatest',
    summary: 'Shows the latest release of a package',
    description: 'This is what supervisors poll. Answered from memory.',
    query: ['target'],
    answers: FOUND,
  },
  'GET /pkgs/:origin/:name/:version/latest': {
    operationId: 'habitatGetLatestOfVersion',
    summary: 'Shows the latest release of one version',
    description: 'This is what supervisors poll. Answered from memory.',
    query: ['target'],
    answers: FOUND,
  },
  'GET /pkgs/:origin/:name/:version/:release': {
    operationId: 'habitatGetRelease',
    summary: 'Shows a release',
    description: 'With all metadata of the package.',
    query: ['target'],
    answers: FOUND,
  },
  'GET /pkgs/:origin/:name/:version/:release/channels': {
    operationId: 'habitatListViewsOfRelease',
    summary: 'Lists the views that contain a release',
    description: 'By name, descending.',
    query: ['target'],
    answers: {
      200: json('by name, descending', ReleaseChannels),
    },
  },
  'GET /pkgs/:origin/:name/:version/:release/download': {
    operationId: 'habitatDownload',
    summary: 'Downloads the file of a release',
    description:
      'X-Filename has its name. The entity tag is the checksum; If-None-Match, If-Range and ranges are understood, so that a download can be resumed.',
    query: ['target'],
    answers: {
      200: file('the whole file', HartFile, 'application/octet-stream'),
      206: file('the requested range', HartFile, 'application/octet-stream'),
      304: empty('the client has it (If-None-Match)'),
      416: empty('the range is beyond the end of the file'),
      ...NOT_FOUND,
    },
  },
  'POST /pkgs/:origin/:name/:version/:release': {
    operationId: 'habitatUpload',
    summary: 'Uploads a release',
    description:
      'For members of the origin who may upload. The body is the file, or a form with the part `file`. The release is visible once the answer has come, and joins unstable. A repeated upload gets 409; with forced=true it succeeds if the bytes are the same, so it is safe to repeat.',
    query: ['target', 'checksum', 'forced'],
    needs: ['checksum'],
    consumes: ['application/octet-stream', 'multipart/form-data'],
    body: HartFile,
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
    operationId: 'habitatListVersions',
    summary: 'Lists the versions of a package',
    description: 'Highest first.',
    answers: { 200: json('the versions', Versions) },
  },
  'GET /pkgs/search/:words': {
    operationId: 'habitatSearch',
    summary: 'Finds packages by words in their names',
    description: 'Releases, or with distinct packages. 50 items a page.',
    query: ['range', 'distinct'],
    answers: pages(SearchPage),
  },
  'GET /rdeps/:origin/:name': {
    operationId: 'habitatListDependents',
    summary: 'Lists the packages that depend on a package',
    description: 'By name, as origin/name.',
    query: ['target'],
    answers: { 200: json('by name', Dependents) },
  },
  'DELETE /pkgs/:origin/:name/:version/:release': {
    operationId: 'habitatDelete',
    summary: 'Deletes a release',
    description: 'For maintainers. A release in stable, and one on which others depend, cannot be deleted.',
    query: ['target'],
    answers: {
      204: empty('deleted'),
      ...REFUSED,
      ...NOT_FOUND,
      422: text('the release is in stable, other packages depend on it, or the target is invalid'),
    },
  },
  'PATCH /pkgs/:origin/:name/:version/:release/:visibility': {
    operationId: 'habitatSetVisibility',
    summary: 'Makes an ident public or private',
    description: 'For maintainers, and for all targets of the ident. Safe to repeat.',
    answers: { 200: empty('success'), ...REFUSED, ...NOT_FOUND, 422: empty('not a valid visibility') },
  },
  'GET /:origin/pkgs': {
    operationId: 'habitatListPackageSettings',
    summary: "Lists the settings of an origin's packages",
    description: 'By name. 50 items a page.',
    query: ['range'],
    answers: {
      200: json('the last page', SettingsPage),
      206: json('a page that is not the last', SettingsPage),
    },
  },
  'GET /settings/:origin/:name': {
    operationId: 'habitatGetPackageSettings',
    summary: 'Shows the settings of a package',
    description: 'For members of the origin.',
    answers: { 200: json('the settings', Settings), ...REFUSED, ...NOT_FOUND },
  },
  'POST /settings/:origin/:name': {
    operationId: 'habitatCreatePackageSettings',
    summary: 'Creates the settings of a package',
    description: 'For maintainers. With the default visibility of the origin.',
    answers: {
      201: json('made', Settings),
      ...REFUSED,
      ...NOT_FOUND,
      409: empty('they already exist'),
      422: empty('invalid package name'),
    },
  },
  'PUT /settings/:origin/:name': {
    operationId: 'habitatChangePackageSettings',
    summary: 'Sets the visibility of future releases of a package',
    description: 'For maintainers. Safe to repeat.',
    body: ChangedSettings,
    consumes: ['application/json'],
    answers: { 200: json('set', Settings), 400: empty('invalid body'), ...REFUSED, ...NOT_FOUND },
  },
  'DELETE /settings/:origin/:name': {
    operationId: 'habitatDeletePackageSettings',
    summary: 'Deletes the settings of a package',
    description: 'For maintainers. A package with releases keeps its settings.',
    answers: { 204: empty('deleted'), ...REFUSED, ...NOT_FOUND, 409: empty('the package has releases') },
  },
}
