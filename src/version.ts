declare const __MIRRORD_VERSION__: string | undefined;

/** Version of this package; put in by the build, `0.0.0-dev` when the sources run unbuilt in tests. */
export const VERSION: string = typeof __MIRRORD_VERSION__ === 'string' ? __MIRRORD_VERSION__ : '0.0.0-dev';
