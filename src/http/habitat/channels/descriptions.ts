import { PROMOTED, NOT_FOUND, REFUSED, empty, json, pages } from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'
import { FOUND } from '../packages/descriptions.ts'
import { Channel, ChannelLatest, ChannelNames, EventPage, IdentPage } from './shapes.ts'

// Describes the routes of channels and events for openapi.yaml.

const MOVED_ALL = {
  200: empty('success; the headers Depot-View, Depot-Revision and Depot-Changed have the details'),
  400: empty('the channel is missing or invalid'),
  ...REFUSED,
  ...NOT_FOUND,
}

/** Routes by method and path, relative to the mount. */
export const CHANNEL_ROUTES: Readonly<Record<string, Description>> = {
  'GET /channels/:origin': {
    operationId: 'habitatListChannels',
    summary: 'Lists the channels of an origin',
    description: 'By name. Without sandbox, names that start with `bldr-` are left out.',
    query: ['sandbox'],
    answers: { 200: json('by name', ChannelNames) },
  },
  'POST /channels/:origin/:channel': {
    operationId: 'habitatCreateChannel',
    summary: 'Creates a channel',
    description: 'For maintainers. A channel is the part of a view that belongs to the origin.',
    answers: { 201: json('created', Channel), ...REFUSED, 409: empty('it already exists') },
  },
  'DELETE /channels/:origin/:channel': {
    operationId: 'habitatDeleteChannel',
    summary: 'Deletes a channel',
    description: 'For maintainers. The releases of the origin leave the view.',
    answers: { 200: empty('deleted'), ...REFUSED },
  },
  'GET /channels/:origin/:channel/pkgs/:name/latest': {
    operationId: 'habitatGetLatestInChannel',
    summary: 'Shows the latest release of a package in a channel',
    description: 'This is what supervisors poll. Answered from memory.',
    query: ['target'],
    answers: FOUND,
  },
  'GET /channels/:origin/:channel/pkgs/:name/:version/latest': {
    operationId: 'habitatGetLatestOfVersionInChannel',
    summary: 'Shows the latest release of one version in a channel',
    description: 'This is what supervisors poll. Answered from memory.',
    query: ['target'],
    answers: FOUND,
  },
  'GET /channels/:origin/:channel/pkgs/:name/:version/:release': {
    operationId: 'habitatGetReleaseInChannel',
    summary: 'Shows a release, if it is in the channel',
    description: 'With all metadata of the package.',
    query: ['target'],
    answers: FOUND,
  },
  'PUT /channels/:origin/:channel/pkgs/:name/:version/:release/promote': {
    operationId: 'habitatPromote',
    summary: 'Promotes a release into a channel',
    description:
      'For maintainers of the origin, or the promoters of the view. Promoting what is latest already succeeds and changes nothing.',
    query: ['target'],
    answers: { ...PROMOTED, ...REFUSED, ...NOT_FOUND },
  },
  'PUT /channels/:origin/:channel/pkgs/:name/:version/:release/demote': {
    operationId: 'habitatDemote',
    summary: 'Removes a release from a channel',
    description:
      'For maintainers of the origin, or the promoters of the view. A release cannot be removed from unstable.',
    query: ['target'],
    answers: { ...PROMOTED, 400: empty('the release is not in the channel'), ...REFUSED, ...NOT_FOUND },
  },
  'GET /events': {
    operationId: 'habitatListEvents',
    summary: 'Lists promotions and demotions of single releases',
    description: 'Newest first. 50 items a page.',
    query: ['range', 'channel', 'from_date', 'to_date', 'query'],
    answers: pages(EventPage),
  },
  'GET /channels/:origin/:channel/pkgs': {
    operationId: 'habitatListReleasesInChannel',
    summary: 'Lists the releases in a channel',
    description: '50 items a page; range is the offset of the next one.',
    query: ['range'],
    answers: pages(IdentPage),
  },
  'GET /channels/:origin/:channel/pkgs/:name': {
    operationId: 'habitatListReleasesOfPackageInChannel',
    summary: 'Lists the releases of a package in a channel',
    description: '50 items a page; range is the offset of the next one.',
    query: ['range'],
    answers: pages(IdentPage),
  },
  'GET /channels/:origin/:channel/pkgs/:name/:version': {
    operationId: 'habitatListReleasesOfVersionInChannel',
    summary: 'Lists the releases of one version in a channel',
    description: '50 items a page; range is the offset of the next one.',
    query: ['range'],
    answers: pages(IdentPage),
  },
  'GET /channels/:origin/:channel/pkgs/_latest': {
    operationId: 'habitatListLatestInChannel',
    summary: 'Lists the latest release of every package in a channel',
    description: 'By name, for one target.',
    query: ['target'],
    answers: {
      200: json('by name', ChannelLatest),
      400: empty('no target'),
    },
  },
  'PUT /channels/:origin/:channel/pkgs/promote': {
    operationId: 'habitatPromoteChannel',
    summary: 'Promotes all releases of one channel into another',
    description: 'For maintainers. All or none, in one revision of the view.',
    query: ['channel'],
    needs: ['channel'],
    answers: MOVED_ALL,
  },
  'PUT /channels/:origin/:channel/pkgs/demote': {
    operationId: 'habitatDemoteChannel',
    summary: 'Removes all releases of one channel from another',
    description: 'For maintainers. All or none, in one revision of the view.',
    query: ['channel'],
    needs: ['channel'],
    answers: MOVED_ALL,
  },
}
