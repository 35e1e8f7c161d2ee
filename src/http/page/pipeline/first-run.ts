import { html } from '@remix-run/html-template'
import { copyable } from '../html/parts.ts'
import { loadCommand } from '../html/supervisor-commands.ts'
import type { Content } from '../html/layout.ts'
import type { Visit } from '../html/visit.ts'

/** What an empty depot shows: how to upload the first package, and how to let a supervisor run it. */
export function firstRunContent(visit: Visit): Content {
  const { depotUrl: url } = visit
  return {
    title: 'Pipeline',
    section: 'pipeline',
    follows: 'everything',
    main: html`<h1>This depot is empty</h1>
      <p class="lead">Four steps bring a first package to a supervisor. This page follows along.</p>
      <ol class="steps">
        <li>
          <h2>Sign in on the command line</h2>
          <p>The first start of the depot printed the administrator's token.</p>
          ${copyable(`printenv HART_DEPOT_TOKEN | hart-depot login ${url} --with-token`)}
        </li>
        <li>
          <h2>Create an origin and upload a package</h2>
          <p>The depot takes a package only if it knows the public key of its signer.</p>
          ${copyable(`hart-depot origin create acme
hart-depot upload results/*.hart --key acme-*.pub`)}
          <p>Builds with Habitat's own client need only the address:</p>
          ${copyable(`export HAB_BLDR_URL=${url}
hab pkg upload results/*.hart`)}
        </li>
        <li>
          <h2>Promote it</h2>
          <p>An upload changes no environment. A promotion does, in one revision.</p>
          ${copyable('hart-depot promote acceptance --from unstable --origin acme')}
        </li>
        <li>
          <h2>Let a supervisor follow the environment</h2>
          ${copyable(loadCommand(url, 'acceptance', 'acme/app'))}</li>
      </ol>`,
  }
}
