FROM node:26-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The optional packages are also the bundler's; the Nodes among them are for machines with an older one.
RUN npm ci
COPY launch rolldown.config.js ./
COPY src ./src
RUN npm run bundle

FROM node:26-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional

FROM node:26-bookworm-slim
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json launch ./
COPY migrations ./migrations
COPY --from=build /app/dist ./dist
RUN ln -s /app/launch /usr/local/bin/hart-depot && install -d -o 1000 -g 1000 /data /app/node_modules/.cache
ENV NODE_ENV=production DEPOT_LISTEN=0.0.0.0:9636 DEPOT_DATA=/data
VOLUME /data
EXPOSE 9636
# The user node, by number: Kubernetes' runAsNonRoot knows no names.
USER 1000:1000
# Fills the cache of compiled code, so that the first start is as fast as the next ones.
RUN DEPOT_DATA=/tmp/warm timeout -s TERM 5 hart-depot serve > /dev/null; rm -rf /tmp/warm
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=1m \
  CMD ["hart-depot", "healthy"]
CMD ["hart-depot", "serve"]
