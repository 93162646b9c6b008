// Keeps the page, so that it opens without a network. What there is of it stands in site.js, which is made with the page.

importScripts("site.js");

const { version, files } = self.site;
const NAME = `srnas-${version}`;

self.addEventListener("install", (event) => {
  const fresh = files.map((file) => new Request(file, { cache: "reload" }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(fresh)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys().then(async (names) => {
      await Promise.all(names.filter((name) => name.startsWith("srnas-") && name !== NAME).map((name) => caches.delete(name)));
      await self.clients.claim();
    }),
  );
});

// The network first: what is kept is for when there is none. WebGPU's runtime is kept once a browser has asked for it.
self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET" || new URL(event.request.url).origin !== location.origin) return;
  event.respondWith(
    fetch(event.request).then(
      async (answer) => {
        if (answer.ok && new URL(event.request.url).pathname.includes("/runtime/")) {
          const cache = await caches.open(NAME);
          await cache.put(event.request, answer.clone()).catch(() => {});
        }
        return answer;
      },
      async () => (await caches.match(event.request, { ignoreSearch: true })) ?? Response.error(),
    ),
  );
});
