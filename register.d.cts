/** Preload only: starts or joins a session as a side effect and exports nothing. */
export {};
