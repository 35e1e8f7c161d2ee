import type { Test } from 'tap'
import { callApi } from '../call-api.ts'
import { mentions } from '../mentions.ts'
import { makeReleases, makeView } from '../release-rows.ts'
import type { ReleaseRow } from '../release-rows.ts'
import { startDepot } from '../start-depot.ts'

export const STAMP = '20260101000000'

/** The answer that refuses a change for a rule, with a detail that contains these names. */
export const refused = (rule: string, ...names: readonly string[]) => ({
  status: 409,
  differences: '',
  body: { code: 'refused', errors: [{ rule, detail: mentions(...names) }] },
})

/**
 * Starts a depot with releases that depend on each other, and tokens of maintainers (`ci`, `lead`) and of an
 * account without a role (`stranger`).
 */
export async function gateScene(t: Pick<Test, 'teardown'>) {
  const started = await startDepot(t, { listen: true })
  const [ssl, curl, app1, app2, web, lost] = (await makeReleases(
    started,
    `core/openssl/1.1.1/${STAMP}`,
    { name: `core/curl/8.0/${STAMP}`, deps: [`core/openssl/1.1.1/${STAMP}`] },
    {
      name: `acme/app/1.0/${STAMP}`,
      deps: [`core/curl/8.0/${STAMP}`],
      tdeps: [`core/curl/8.0/${STAMP}`, `core/openssl/1.1.1/${STAMP}`],
    },
    `acme/app/2.0/${STAMP}`,
    `acme/web/1.0/${STAMP}`,
    { name: `acme/lost/1.0/${STAMP}`, deps: [`core/nowhere/1.0/${STAMP}`] },
  )) as [ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow, ReleaseRow]
  /** Creates an account that maintains both origins, and returns its token. */
  async function account(name: string): Promise<string> {
    const token = await started.account(name)
    for (const origin of ['acme', 'core'])
      await callApi(started, 'PUT', `/api/v1/origins/${origin}/members/${name}`, {
        body: { role: 'maintainer' },
      })
    return token
  }
  const [ci, lead, stranger] = [await account('ci'), await account('lead'), await started.account('stranger')]

  let count = 0
  /** Creates a view with these gates, and returns its name. */
  async function viewWith(gates: unknown, rule: 'promoted' | 'highest' = 'promoted'): Promise<string> {
    count += 1
    await makeView(started, `gated-${count}`, rule)
    const answer = await callApi(started, 'PUT', `/api/v1/views/gated-${count}/gates`, { body: gates })
    if (answer.status !== 200) throw new Error(answer.text)
    return `gated-${count}`
  }

  const post = async (view: string, what: string, body: unknown, token = ci) =>
    callApi(started, 'POST', `/api/v1/views/${view}/${what}`, { body, token })
  const promote = async (view: string, releases: readonly ReleaseRow[], more: object = {}, token = ci) =>
    post(view, 'promotions', { releases, ...more }, token)
  const revisionOf = async (view: string) =>
    (await callApi(started, 'GET', `/api/v1/views/${view}`)).body?.['revision']
  return {
    started,
    ssl,
    curl,
    app1,
    app2,
    web,
    lost,
    ci,
    lead,
    stranger,
    viewWith,
    post,
    promote,
    revisionOf,
  }
}
