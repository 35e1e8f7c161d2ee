# The sources run as they are under this Node, so nothing is compiled.
FROM node:26-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The optional packages are the Nodes for machines with an older one.
RUN npm ci --omit=dev --omit=optional

FROM node:26-bookworm-slim
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json launch.js ./
COPY migrations ./migrations
COPY src ./src
RUN ln -s /app/launch.js /usr/local/bin/hart-depot && install -d -o 1000 -g 1000 /data
ENV NODE_ENV=production DEPOT_LISTEN=0.0.0.0:9636 DEPOT_DATA=/data
VOLUME /data
EXPOSE 9636
# The user node, by number: Kubernetes' runAsNonRoot knows no names.
USER 1000:1000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=1m \
  CMD ["node", "src/main.ts", "healthy"]
CMD ["node", "src/main.ts", "serve"]
