package engine

import (
	"fmt"
	"strings"

	"github.com/fcgisup/fcgisup"
)

func kubernetes(p *pod) []fcgisup.File {
	docs := []string{p.head("Use it with kubectl apply -f.") + p.configMap(), p.deployment(), p.service(), p.budget()}
	if p.with(PodMonitor) {
		docs = append(docs, p.podMonitor())
	}
	if p.with(Autoscaler) {
		docs = append(docs, p.autoscaler())
	}
	return []fcgisup.File{p.file(p.app.Name+".yaml", strings.Join(docs, "---\n"))}
}

func (p *pod) meta(suffix string) string {
	return "metadata:\n  name: " + p.app.Name + suffix + "\n  labels: {app.kubernetes.io/name: " + p.app.Name + "}\n"
}

func (p *pod) configMap() string {
	n := p.app.Name
	return "apiVersion: v1\nkind: ConfigMap\n" + p.meta("") + "data:\n  fcgisup.yaml: |\n" + indent(p.config, 4) +
		"  " + n + "-upstream.conf: |\n" + indent(p.upstream, 4) + "  " + n + "-location.conf: |\n" + indent(p.location, 4) +
		"  default.conf: |\n" + indent(p.server(), 4)
}

const securityContext = `          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
`

// deploymentSpec has two containers: fcgisup with its workers, and nginx.
const deploymentSpec = `spec:
%[2]s  selector:
    matchLabels: {app.kubernetes.io/name: %[1]s}
  # A new pod is ready before an old one stops.
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  template:
    metadata:
      labels: {app.kubernetes.io/name: %[1]s}
    spec:
      # limits.stop_timeout, limits.drain_delay and 5 s.
      terminationGracePeriodSeconds: %[3]d
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: %[4]d
        runAsGroup: %[4]d
        fsGroup: %[4]d
        seccompProfile: {type: RuntimeDefault}
      containers:
        - name: fcgisup
          image: %[5]s
          command: [fcgisup, run, --app, %[1]s, --metrics, "0.0.0.0:%[6]d"]
%[7]s          ports:
            - {name: metrics, containerPort: %[6]d}
          # A start can take limits.start_timeout.
          startupProbe:
            httpGet: {path: %[8]s, port: metrics}
            periodSeconds: 2
            failureThreshold: %[9]d
          livenessProbe:
            httpGet: {path: %[10]s, port: metrics}
            periodSeconds: 10
            timeoutSeconds: 5
          readinessProbe:
            httpGet: {path: %[11]s, port: metrics}
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 1
%[12]s%[13]s          volumeMounts:
            - {name: config, mountPath: %[14]s/fcgisup.yaml, subPath: fcgisup.yaml, readOnly: true}
            - {name: run, mountPath: /run}
            - {name: sockets, mountPath: %[15]s}
            - {name: tmp, mountPath: /tmp}
        - name: nginx
          image: %[16]s
          ports:
            - {name: http, containerPort: %[17]d}
          readinessProbe:
            tcpSocket: {port: http}
            periodSeconds: 2
          # nginx serves requests until the Service no longer sends any: limits.drain_delay.
          lifecycle:
            preStop:
              exec: {command: [sleep, "%[18]d"]}
%[13]s          volumeMounts:
            - {name: config, mountPath: /etc/nginx/conf.d/default.conf, subPath: default.conf, readOnly: true}
            - {name: config, mountPath: /etc/nginx/conf.d/%[1]s-upstream.conf, subPath: %[1]s-upstream.conf, readOnly: true}
            - {name: config, mountPath: %[19]s/%[1]s-location.conf, subPath: %[1]s-location.conf, readOnly: true}
            - {name: sockets, mountPath: %[15]s}
            - {name: nginx-tmp, mountPath: /tmp}
      volumes:
        - name: config
          configMap: {name: %[1]s}
        - name: run
          emptyDir: {medium: Memory}
        - name: sockets
          emptyDir: {medium: Memory}
        - name: tmp
          emptyDir: {}
        - name: nginx-tmp
          emptyDir: {}
`

func (p *pod) deployment() string {
	n := p.app.Name
	env := ""
	if p.ExpandEnv {
		env = "          env:\n            - {name: " + fcgisup.EnvExpand + ", value: \"1\"}\n"
	}
	resources := ""
	if m := p.memory(); m > 0 {
		resources = fmt.Sprintf("          # limits.max_memory for each worker, and the memory of fcgisup.\n          resources:\n            requests: {memory: %dMi}\n            limits: {memory: %[1]dMi}\n", m)
	}
	replicas := fmt.Sprintf("  # instances:\n  replicas: %d\n", p.instances)
	if p.with(Autoscaler) { // else each kubectl apply would undo what it has set
		replicas = "  # No replicas: the HorizontalPodAutoscaler sets their number.\n"
	}
	return "apiVersion: apps/v1\nkind: Deployment\n" + p.meta("") + fmt.Sprintf(deploymentSpec, n, replicas, p.grace(), user, quoted(p.Image), metricsPort, env, startPath, max(seconds(p.app.Limits.StartTimeout)/2+1, 3), livePath, readyPath,
		resources, securityContext, configDir, socketDir, nginxImage, webPort, seconds(p.app.Limits.DrainDelay), snippetsDir)
}

func (p *pod) service() string {
	return "apiVersion: v1\nkind: Service\n" + p.meta("") + "spec:\n  selector: {app.kubernetes.io/name: " + p.app.Name + "}\n" +
		"  ports:\n    - {name: http, port: 80, targetPort: http}\n"
}

func (p *pod) budget() string {
	return "apiVersion: policy/v1\nkind: PodDisruptionBudget\n" + p.meta("") + "spec:\n  maxUnavailable: 1\n" +
		"  selector:\n    matchLabels: {app.kubernetes.io/name: " + p.app.Name + "}\n"
}

func (p *pod) podMonitor() string {
	return "apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\n" + p.meta("") + "spec:\n" +
		"  selector:\n    matchLabels: {app.kubernetes.io/name: " + p.app.Name + "}\n" +
		"  podMetricsEndpoints:\n    - {port: metrics, path: /metrics}\n"
}

// growth is how many pods an autoscaler may make of one.
const growth = 4

func (p *pod) autoscaler() string {
	return "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n" + p.meta("") + fmt.Sprintf(`spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: %[1]s}
  # instances:, and up to four times as many.
  minReplicas: %[2]d
  maxReplicas: %[3]d
  # (in flight + queue) / ready workers: above 1 requests wait. CPU is low where workers wait for a database.
  metrics:
    - type: Pods
      pods:
        metric: {name: fcgisup_saturation}
        target: {type: AverageValue, averageValue: 700m}
  behavior:
    scaleDown: {stabilizationWindowSeconds: 300}
`, p.app.Name, p.instances, p.instances*growth)
}
