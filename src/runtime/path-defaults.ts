/**
 * Paths that are decided without configuration. Sources of case-insensitive regular expressions, un-anchored unless
 * written; the first three lists are those of the native mirrord for Unix, so that one configuration means the same.
 */

/** Credentials of the developer that a cloud library must not find: the pod's own are meant. Under the home folder. */
export const NOT_FOUND_IN_HOME = String.raw`(\.config/gcloud|\.kube|\.azure)`;

/** Files of system folders that say where the pod is. */
export const READ_REMOTE: readonly string[] = [
  '^/etc/resolv.conf$',
  '^/etc/hosts$',
  '^/etc/hostname$',
  '^/etc/ssl/certs(/|$)',
];

export const LOCAL: readonly string[] = [
  String.raw`.\.so$`,
  String.raw`.\.sh$`,
  String.raw`.\.rb$`,
  String.raw`.\.d$`,
  String.raw`.\.pyc$`,
  String.raw`.\.py$`,
  String.raw`.\.jar$`,
  String.raw`.\.class$`,
  String.raw`.\.js$`,
  String.raw`.\.pth$`,
  String.raw`.\.plist$`,
  String.raw`venv\.cfg$`,
  '^/proc(/|$)',
  '^/sys(/|$)',
  '^/lib(/|$)',
  '^/etc(/|$)',
  '^/usr(/|$)',
  '^/home(/|$)',
  '^/bin(/|$)',
  '^/sbin(/|$)',
  '^/dev(/|$)',
  '^/opt(/|$)',
  '^/tmp(/|$)',
  '^/var/tmp(/|$)',
  '^/var/db/timezone/zoneinfo(/|$)',
  '^/snap(/|$)',
  '^/run(/|$)',
  '^/selinux(/|$)',
  '^/nix(/|$)',
  String.raw`.+\.asdf/.+`,
  '^/home/iojs(/|$)',
  '^/home/runner(/|$)',
  'clr-.*-pipe-',
  String.raw`\.pdb$`,
  String.raw`\.dll$`,
  String.raw`.*(^|/)jvm\.cfg$`,
  String.raw`/package\.json$`,
  String.raw`/\.yarnrc$`,
  String.raw`/\.yarnrc.yml$`,
  String.raw`/\.yarnrc.json$`,
  '/node_modules',
  String.raw`.*/\.tool-versions$`,
  '^/Program Files',
  '^/$',
];

export const LOCAL_ON_MACOS: readonly string[] = [
  '^/Volumes(/|$)',
  '^/private(/|$)',
  '^/var/folders(/|$)',
  '^/Users',
  '^/Library',
  '^/Applications',
  '^/System',
  '^/var/run/com.apple',
  '^/Network',
];

/**
 * What Node's module loaders, transpilers and debuggers read, wherever it is: they call the same functions as the app,
 * and the code that runs is the developer's. Data in JSON is not among them outside of the project: `config.json` is
 * what an app is after in a pod.
 */
export const LOCAL_FOR_NODE: readonly string[] = [
  String.raw`.\.([mc]js|[mc]?ts|[jt]sx|node|wasm|map|tsbuildinfo)$`,
  String.raw`/(tsconfig|jsconfig)(\.[^/]*)?\.json$`,
  String.raw`/(package-lock|npm-shrinkwrap)\.json$`,
  String.raw`/\.(pnp\.[^/]*|swcrc|babelrc(\.json)?|npmrc|nvmrc|node-version)$`,
  String.raw`/(pnpm-workspace|pnpm-lock)\.yaml$`,
  String.raw`/yarn\.lock$`,
];
