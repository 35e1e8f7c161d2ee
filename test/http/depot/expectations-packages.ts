import type { Expectation } from './expectations-origins.ts'

// The answers of Builder's routes about packages, channels, search and events, as one table (habitat-today.md
// 3.1, 3.2, 3.4 and 6). `{origin}` has one release, app/1.0.0/20260101120000 for x86_64-linux, in the
// channels `unstable` and `canary`.

export interface PackageExpectation extends Expectation {
  /** The status for callers without the role; 403 by default. Channels answer 401 (3). */
  readonly refused?: 401
  /** For reads, the status for non-members once the release is private; by default that of an absent one. */
  readonly unseen?: number
}

const RELEASE = 'app/1.0.0/20260101120000'
const ABSENT = 'app/9.9.9/20260101120000'
const BAD_TARGET = {
  what: 'a malformed target',
  status: 422,
  text: "Invalid package target 'vax-vms'",
} as const
const BAD_RANGE = { what: 'a malformed range', status: 400 } as const

export const PACKAGE_READS: readonly PackageExpectation[] = [
  { method: 'GET', path: '/status', least: 'anyone', done: 200 },
  { method: 'GET', path: '/depot/views', least: 'anyone', done: 200, says: 'json' },
  ...['', '/app', '/app/1.0.0'].map((rest): PackageExpectation => ({
    method: 'GET',
    path: `/depot/pkgs/{origin}${rest}`,
    least: 'anyone',
    done: 200,
    says: 'json',
    absent: 200,
    unseen: 200,
    wrong: [
      { ...BAD_RANGE, path: `/depot/pkgs/{origin}${rest}?range=x` },
      { what: 'distinct or not', path: `/depot/pkgs/{origin}${rest}?distinct=2`, status: 400 },
    ],
  })),
  ...['app/latest', 'app/1.0.0/latest', RELEASE].map((rest): PackageExpectation => ({
    method: 'GET',
    path: `/depot/pkgs/{origin}/${rest}`,
    least: 'anyone',
    done: 200,
    says: 'json',
    absent: 404,
    unseen: 404,
    wrong: [{ ...BAD_TARGET, path: `/depot/pkgs/{origin}/${rest}?target=vax-vms` }],
  })),
  {
    method: 'GET',
    path: '/depot/pkgs/{origin}/app/versions',
    least: 'anyone',
    done: 200,
    says: 'json',
    absent: 200,
    unseen: 200,
  },
  {
    method: 'GET',
    path: `/depot/pkgs/{origin}/${RELEASE}/channels`,
    least: 'anyone',
    done: 200,
    says: 'json',
    absent: 200,
    unseen: 200,
  },
  {
    method: 'GET',
    path: '/depot/pkgs/search/{origin}',
    least: 'anyone',
    done: 200,
    says: 'json',
    unseen: 200,
    wrong: [{ ...BAD_RANGE, path: '/depot/pkgs/search/{origin}?range=x' }],
  },
  {
    method: 'GET',
    path: '/depot/pkgs/search/{origin}?distinct=true',
    least: 'anyone',
    done: 200,
    says: 'json',
    unseen: 200,
  },
  {
    method: 'GET',
    path: '/rdeps/{origin}/app',
    least: 'anyone',
    done: 200,
    says: 'json',
    absent: 200,
    wrong: [{ ...BAD_TARGET, path: '/rdeps/{origin}/app?target=vax-vms' }],
  },
  {
    method: 'GET',
    path: '/depot/events?from_date=2026-01-01&to_date=2026-1-31',
    least: 'anyone',
    done: 200,
    says: 'json',
    wrong: [
      { what: 'no dates', path: '/depot/events', status: 400 },
      { what: 'one date', path: '/depot/events?from_date=2026-01-01', status: 400 },
      {
        what: 'a malformed day',
        path: '/depot/events?from_date=2026-02-30&to_date=2026-03-01',
        status: 400,
      },
    ],
  },
  { method: 'GET', path: '/depot/channels/{origin}', least: 'anyone', done: 200, says: 'json', absent: 200 },
  {
    method: 'GET',
    path: '/depot/channels/{origin}?sandbox=true',
    least: 'anyone',
    done: 200,
    says: 'json',
    absent: 200,
  },
  ...['', '/app', '/app/1.0.0'].map((rest): PackageExpectation => ({
    method: 'GET',
    path: `/depot/channels/{origin}/canary/pkgs${rest}`,
    least: 'anyone',
    done: 200,
    says: 'json',
    absent: 200,
    unseen: 200,
  })),
  {
    method: 'GET',
    path: '/depot/channels/{origin}/canary/pkgs/_latest?target=x86_64-linux',
    least: 'anyone',
    done: 200,
    says: 'json',
    absent: 200,
    unseen: 200,
    wrong: [
      { what: 'no target', path: '/depot/channels/{origin}/canary/pkgs/_latest', status: 400 },
      { ...BAD_TARGET, path: '/depot/channels/{origin}/canary/pkgs/_latest?target=vax-vms' },
    ],
  },
  ...['app/latest', 'app/1.0.0/latest', RELEASE].map((rest): PackageExpectation => ({
    method: 'GET',
    path: `/depot/channels/{origin}/canary/pkgs/${rest}`,
    least: 'anyone',
    done: 200,
    says: 'json',
    absent: 404,
    unseen: 404,
  })),
]

export const PACKAGE_WRITES: readonly PackageExpectation[] = [
  {
    method: 'POST',
    path: `/depot/views/acceptance/pkgs/{origin}/${RELEASE}/promote`,
    least: 'maintainer',
    done: 200,
    absent: 404,
    wrong: [
      {
        what: 'a view that does not exist',
        path: `/depot/views/nothing/pkgs/{origin}/${RELEASE}/promote`,
        status: 404,
        text: 'there is no open view "nothing"',
      },
      {
        what: 'a release that does not exist',
        path: `/depot/views/acceptance/pkgs/{origin}/${ABSENT}/promote`,
        status: 404,
      },
      { ...BAD_TARGET, path: `/depot/views/acceptance/pkgs/{origin}/${RELEASE}/promote?target=vax-vms` },
    ],
  },
  {
    method: 'DELETE',
    path: `/depot/pkgs/{origin}/${RELEASE}`,
    least: 'member',
    done: 204,
    absent: 404,
    wrong: [
      { what: 'a release that does not exist', path: `/depot/pkgs/{origin}/${ABSENT}`, status: 404 },
      {
        what: 'for another target',
        path: `/depot/pkgs/{origin}/${RELEASE}?target=x86_64-windows`,
        status: 404,
      },
      { ...BAD_TARGET, path: `/depot/pkgs/{origin}/${RELEASE}?target=vax-vms` },
    ],
  },
  {
    method: 'PATCH',
    path: `/depot/pkgs/{origin}/${RELEASE}/private`,
    least: 'maintainer',
    done: 200,
    absent: 404,
    wrong: [
      { what: 'a release that does not exist', path: `/depot/pkgs/{origin}/${ABSENT}/private`, status: 404 },
      { what: 'hidden', path: `/depot/pkgs/{origin}/${RELEASE}/hidden`, status: 422 },
      { what: 'no visibility', path: `/depot/pkgs/{origin}/${RELEASE}/secret`, status: 422 },
    ],
  },
  {
    method: 'POST',
    path: '/depot/channels/{origin}/fresh',
    least: 'maintainer',
    refused: 401,
    done: 201,
    says: 'json',
    absent: 404,
    wrong: [{ what: 'an existing one', path: '/depot/channels/{origin}/canary', status: 409 }],
  },
  {
    method: 'DELETE',
    path: '/depot/channels/{origin}/canary',
    least: 'maintainer',
    refused: 401,
    done: 200,
    absent: 404,
    wrong: [
      { what: 'stable', path: '/depot/channels/{origin}/stable', status: 403 },
      { what: 'unstable', path: '/depot/channels/{origin}/unstable', status: 403 },
      { what: 'an absent one', path: '/depot/channels/{origin}/nothing', status: 200 },
    ],
  },
  {
    method: 'PUT',
    path: `/depot/channels/{origin}/canary/pkgs/${RELEASE}/promote`,
    least: 'maintainer',
    refused: 401,
    done: 200,
    absent: 404,
    wrong: [
      {
        what: 'a channel that does not exist',
        path: `/depot/channels/{origin}/nothing/pkgs/${RELEASE}/promote`,
        status: 404,
      },
      {
        what: 'a release that does not exist',
        path: `/depot/channels/{origin}/canary/pkgs/${ABSENT}/promote`,
        status: 404,
      },
      { ...BAD_TARGET, path: `/depot/channels/{origin}/canary/pkgs/${RELEASE}/promote?target=vax-vms` },
    ],
  },
  {
    method: 'PUT',
    path: `/depot/channels/{origin}/canary/pkgs/${RELEASE}/demote`,
    least: 'maintainer',
    refused: 401,
    done: 200,
    absent: 404,
    wrong: [
      {
        what: 'what is not in it',
        path: `/depot/channels/{origin}/base/pkgs/${RELEASE}/demote`,
        status: 400,
      },
    ],
  },
  {
    method: 'PUT',
    path: '/depot/channels/{origin}/canary/pkgs/promote?channel=stable',
    least: 'maintainer',
    refused: 401,
    done: 200,
    absent: 404,
    wrong: [
      { what: 'into no channel', path: '/depot/channels/{origin}/canary/pkgs/promote', status: 400 },
      {
        what: 'into itself',
        path: '/depot/channels/{origin}/canary/pkgs/promote?channel=canary',
        status: 400,
      },
      {
        what: 'into unstable',
        path: '/depot/channels/{origin}/canary/pkgs/promote?channel=unstable',
        status: 400,
      },
      {
        what: 'from a channel that does not exist',
        path: '/depot/channels/{origin}/nothing/pkgs/promote?channel=stable',
        status: 200,
      },
    ],
  },
  {
    method: 'PUT',
    path: '/depot/channels/{origin}/canary/pkgs/demote?channel=stable',
    least: 'maintainer',
    refused: 401,
    done: 200,
    absent: 404,
    wrong: [
      { what: 'from no channel', path: '/depot/channels/{origin}/canary/pkgs/demote', status: 400 },
      {
        what: 'from itself',
        path: '/depot/channels/{origin}/canary/pkgs/demote?channel=canary',
        status: 400,
      },
      {
        what: 'from unstable',
        path: '/depot/channels/{origin}/canary/pkgs/demote?channel=unstable',
        status: 400,
      },
      {
        what: 'what is in unstable',
        path: '/depot/channels/{origin}/unstable/pkgs/demote?channel=stable',
        status: 400,
      },
    ],
  },
]
