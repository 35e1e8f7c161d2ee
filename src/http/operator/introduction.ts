// What openapi.yaml says about all operations together.

/** The introduction, in Markdown. */
export const INTRODUCTION = `A Habitat package depot whose environments are named, versioned views. The Habitat protocol is served below \`/v1\`, for clients of all years; the API of hart-depot is below \`/api/v1\`, and \`GET /api/v1\` is a map of it.

**Tokens.** Send a token as \`Authorization: Bearer TOKEN\`. Reads without a token show what is public; a depot may be closed to them, and then answers 401.

**JSON and text.** Answers are JSON. Every read and every error of \`/api/v1\` is also available as text for people, with \`Accept: text/plain\` or \`?format=text\`. Changes are additive: fields are added, and never removed or given another meaning. Clients should ignore fields that they do not know.

**Errors.** Below \`/api/v1\`, errors are problem documents (RFC 9457). Programs should read \`code\`; the schema ProblemCode says what each code means and what to do. Below \`/v1\`, errors have the status and the body that Builder sends, which is mostly empty: \`hab\` gets \`{code,msg}\`; curl, wget and clients that prefer \`text/plain\` get a sentence; clients that list \`application/problem+json\` get a problem document.

**Repeating requests.** Repeat a request unchanged after 408, 503 and 507, and after a lost connection: after \`Retry-After\` seconds, or a growing wait. Reads, \`PUT\` and \`DELETE\` can always be repeated. Other changes can be repeated with the same \`Idempotency-Key\`, whose answer is kept for 7 days, or with \`expect_revision\`, which answers 412 if the change was made. After 409 and 412, read the present state first. Other 4xx answers stay the same. 429 answers only wrong tokens.

**Pages.** Lists have at most \`limit\` items, 100 by default and 1,000 at most. \`next\`, and the \`Link\` header, have the URL of the next page; \`next\` is null on the last one.

**Waiting.** Requests with \`wait\` are held until there is something new, at most 300 seconds. Entity tags (\`ETag\`, \`If-None-Match\`) work on every read of \`/api/v1\`. The tags of a view and of its rules can be sent as \`If-Match\` when these are changed.

**Limits.** A JSON body has at most 1 MiB; bodies of promotions, demotions, plans and proposals, which may carry a lockfile, 33 MiB.`

/** What each group of operations is about, in the order of the reference. */
export const TAGS: Readonly<Record<string, string>> = {
  views: 'Environments: named, versioned sets of releases.',
  'content of views': 'What a view has, now and at an earlier time.',
  promotions: 'Changes of views, each in one revision.',
  'plans and proposals': 'Changes that are shown, or approved by a second person, before they are made.',
  'rules of views': 'Gates, freezes and previews.',
  'history of views': 'Revisions, and differences between states.',
  packages: 'Packages, each with all of its releases.',
  releases: 'Releases that were uploaded, with their metadata and bytes.',
  retention: 'What keeps releases, and the rules by which the others are removed.',
  changes: 'Changes of projects: what a pipeline built from them, and how its phases ended.',
  origins: 'Namespaces of packages, and their members.',
  storage: 'How much releases take, and quotas.',
  accounts: 'Accounts and the rights of the caller.',
  tokens: 'Tokens of accounts, and what they may do.',
  ledger: 'Everything that happened, numbered and hash-chained.',
  'sign-in': 'Tokens for jobs of CI systems, by rules, and for people, by single sign-on.',
  upstream: 'The depot from which missing releases come, and its channels here.',
  webhooks: 'Deliveries of ledger entries to other services.',
  lockfiles: 'Signed lists of the releases of a view, and the keys that sign them.',
  operation: 'Health, metrics, and the description of the API.',
  Habitat: 'The protocol of Habitat’s clients.',
  'Habitat, below the URL of a view':
    'The same protocol, for clients whose depot URL is the URL of a view: latest is answered from the view.',
}
