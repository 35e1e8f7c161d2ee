import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { EXIT, Exit, UsageError } from '../../exit-codes.ts'
import type { Io } from '../../io.ts'

const TIMEOUT_MS = 30_000

/**
 * Returns an ID token for one audience: the value of HART_DEPOT_ID_TOKEN, or else a new token of the CI
 * system that runs this job. Throws a {@link UsageError} outside of a job or if the settings of the job allow
 * no token, and an {@link Exit} if the CI system returns none.
 */
export async function requestIdToken({ env }: Pick<Io, 'env'>, audience: string): Promise<string> {
  const given = env['HART_DEPOT_ID_TOKEN'] ?? ''
  if (given !== '') return given
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: secret } = env
  if (url !== undefined && secret !== undefined) return fromGitHub(url, secret, audience)
  if (env['GITHUB_ACTIONS'] === 'true')
    throw new UsageError('this job may not get ID tokens: give it permissions with id-token: write')
  if (env['BUILDKITE'] === 'true') return fromBuildkite(env, audience)
  if (env['GITLAB_CI'] === 'true')
    throw new UsageError(
      `this job has no ID token: give it id_tokens with HART_DEPOT_ID_TOKEN, and aud: ${audience}`,
    )
  throw new UsageError(
    'this is no job of GitHub Actions, GitLab or Buildkite, and HART_DEPOT_ID_TOKEN is not set',
  )
}

/** Requests a token from GitHub Actions (docs.github.com, OpenID Connect reference). */
async function fromGitHub(url: string, secret: string, audience: string): Promise<string> {
  try {
    const answer = await fetch(`${url}&audience=${encodeURIComponent(audience)}`, {
      headers: { authorization: `Bearer ${secret}`, accept: 'application/json' },
      redirect: 'error', // the secret must not reach another server
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const { value } = (answer.ok ? await answer.json() : {}) as { value?: unknown }
    if (typeof value === 'string') return value
    throw new Exit(EXIT.failed, `GitHub gave no ID token: it answered ${answer.status}`)
  } catch (error) {
    if (error instanceof Exit || !(error instanceof Error)) throw error
    const { message, code = message } = (error.cause ?? error) as { message: string; code?: string }
    throw new Exit(EXIT.unreachable, `GitHub gave no ID token: it cannot be reached (${code})`)
  }
}

/**
 * Requests a token from the agent of the job, with the claims that a rename of the pipeline does not change.
 */
async function fromBuildkite(env: Io['env'], audience: string): Promise<string> {
  const claims = ['--claim', 'organization_id', '--claim', 'pipeline_id']
  try {
    const { stdout } = await promisify(execFile)(
      'buildkite-agent',
      ['oidc', 'request-token', '--audience', audience, ...claims],
      { env, timeout: TIMEOUT_MS },
    )
    return stdout.trim()
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    throw new Exit(EXIT.failed, `buildkite-agent gave no ID token: ${stderr.trim() || message}`)
  }
}
