import { z } from 'zod'
import { PROMOTED, NOT_FOUND, REFUSED, empty, json, pages } from '../conventions/describing.ts'
import type { Description } from '../conventions/describing.ts'
import { Ident } from '../conventions/shapes.ts'
import { FOUND } from '../packages/descriptions.ts'
import { Event } from './shapes.ts'
import { Channel, ChannelLatest, ChannelName } from './shapes.ts'

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
    summary: "An origin's channels",
    query: ['sandbox'],
    answers: { 200: json('by name', z.array(ChannelName)) },
  },
  'POST /channels/:origin/:channel': {
    summary: 'Makes a channel',
    answers: { 201: json('created', Channel), ...REFUSED, 409: empty('it already exists') },
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
    answers: { ...PROMOTED, ...REFUSED, ...NOT_FOUND },
  },
  'PUT /channels/:origin/:channel/pkgs/:name/:version/:release/demote': {
    summary: 'Demotes a release',
    query: ['target'],
    answers: { ...PROMOTED, 400: empty('the release is not in the channel'), ...REFUSED, ...NOT_FOUND },
  },
  'GET /events': {
    summary: 'Promotions and demotions of single releases, newest first',
    query: ['range', 'channel', 'from_date', 'to_date', 'query'],
    answers: pages(Event),
  },
  'GET /channels/:origin/:channel/pkgs': {
    summary: 'Releases in a channel',
    query: ['range'],
    answers: pages(Ident),
  },
  'GET /channels/:origin/:channel/pkgs/:name': {
    summary: 'Releases of a package in a channel',
    query: ['range'],
    answers: pages(Ident),
  },
  'GET /channels/:origin/:channel/pkgs/:name/:version': {
    summary: 'Releases of one version in a channel',
    query: ['range'],
    answers: pages(Ident),
  },
  'GET /channels/:origin/:channel/pkgs/_latest': {
    summary: 'The latest release of every package in a channel',
    query: ['target'],
    answers: {
      200: json('by name', ChannelLatest),
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
