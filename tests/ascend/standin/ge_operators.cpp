// Members of CANN's graph engine that MindSpore's conversion to its graphs asks: an operator's name, its type,
// how many outputs it has where that is free, as with Unstack, and its whole numbers, such as the place of an
// input, by which inputs are sorted. A graph is "saved" as the list of the types
// of all operators that were made, one a line. Objects are never freed.
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace ge {

// The layouts are CANN's: a shared pointer is the object's address and that of a counter, here none.
struct AscendString {
  const char *text;
  void *counter = nullptr;
  AscendString(const char *text);
  const char *GetString() const;
  bool operator<(const AscendString &) const;
};
AscendString::AscendString(const char *text) : text(strdup(text ? text : "")) {}
const char *AscendString::GetString() const { return text ? text : ""; }
bool AscendString::operator<(const AscendString &other) const { return strcmp(GetString(), other.GetString()) < 0; }

struct Description {
  std::string name;
  std::string type;
  int outputs;
  std::map<std::string, long> numbers;
};

struct Operator {
  void *methods = nullptr;  // classes that inherit set it
  Description *description;
  void *counter = nullptr;
  Operator(const char *type);
  Operator(const char *name, const char *type);
  Operator(const AscendString &name, const AscendString &type);
  Operator(const std::string &type);
  Operator(const std::string &name, const std::string &type);
  std::string GetName() const;
  std::string GetOpType() const;
  unsigned int GetName(AscendString &) const;
  unsigned int GetOpType(AscendString &) const;
  void DynamicOutputRegister(const char *, unsigned int count, bool);
  void DynamicOutputRegister(const char *, unsigned int count, const char *, bool);
  int GetDynamicOutputNum(const std::string &) const;
  Operator &SetAttr(const char *name, long value);
  unsigned int GetAttr(const char *name, long &value) const;
};
static std::set<std::string> types;
Operator::Operator(const char *type) : Operator("", type) {}
Operator::Operator(const char *name, const char *type) : description(new Description{name, type, 0, {}}) {
  types.insert(type);
}
Operator::Operator(const AscendString &name, const AscendString &type)
    : Operator(name.GetString(), type.GetString()) {}
Operator::Operator(const std::string &type) : Operator("", type.c_str()) {}
Operator::Operator(const std::string &name, const std::string &type) : Operator(name.c_str(), type.c_str()) {}
std::string Operator::GetName() const { return description ? description->name : ""; }
std::string Operator::GetOpType() const { return description ? description->type : ""; }
unsigned int Operator::GetName(AscendString &name) const {
  name = AscendString(GetName().c_str());
  return 0;
}
unsigned int Operator::GetOpType(AscendString &type) const {
  type = AscendString(GetOpType().c_str());
  return 0;
}
void Operator::DynamicOutputRegister(const char *, unsigned int count, bool) { description->outputs = count; }
void Operator::DynamicOutputRegister(const char *, unsigned int count, const char *, bool) {
  description->outputs = count;
}
int Operator::GetDynamicOutputNum(const std::string &) const { return description->outputs; }
Operator &Operator::SetAttr(const char *name, long value) {
  description->numbers[name] = value;
  return *this;
}
unsigned int Operator::GetAttr(const char *name, long &value) const {
  auto found = description->numbers.find(name);
  if (found == description->numbers.end()) return 1;
  value = found->second;
  return 0;
}

struct Graph {
  std::string GetName() const;
  unsigned int SaveToFile(const std::string &path) const;
};
std::string Graph::GetName() const { return ""; }
unsigned int Graph::SaveToFile(const std::string &path) const {
  std::ofstream file(path);
  for (const std::string &type : types) file << type << "\n";
  return 0;
}

// What the graph engine says of a compiled graph: it needs no memory beside its inputs and outputs.
struct CompiledGraphSummary {
  bool IsStatic() const;
  unsigned int GetConstMemorySize(unsigned long &) const;
  unsigned int GetFeatureMemorySize(unsigned long &) const;
  unsigned int GetFixedFeatureMemorySize(unsigned long &) const;
  unsigned int GetRefreshableFeatureMemorySize(unsigned long &) const;
  unsigned int GetStreamNum(unsigned long &) const;
  unsigned int GetEventNum(unsigned long &) const;
  unsigned int GetFeatureMemoryBaseRefreshable(bool &) const;
};
template <typename Value>
static unsigned int set(Value &out, Value value) {
  out = value;
  return 0;
}
bool CompiledGraphSummary::IsStatic() const { return true; }
unsigned int CompiledGraphSummary::GetConstMemorySize(unsigned long &out) const { return set(out, 0ul); }
unsigned int CompiledGraphSummary::GetFeatureMemorySize(unsigned long &out) const { return set(out, 0ul); }
unsigned int CompiledGraphSummary::GetFixedFeatureMemorySize(unsigned long &out) const { return set(out, 0ul); }
unsigned int CompiledGraphSummary::GetRefreshableFeatureMemorySize(unsigned long &out) const { return set(out, 0ul); }
unsigned int CompiledGraphSummary::GetStreamNum(unsigned long &out) const { return set(out, 1ul); }
unsigned int CompiledGraphSummary::GetEventNum(unsigned long &out) const { return set(out, 0ul); }
unsigned int CompiledGraphSummary::GetFeatureMemoryBaseRefreshable(bool &out) const { return set(out, false); }

struct Session {
  std::shared_ptr<CompiledGraphSummary> GetCompiledGraphSummary(unsigned int);
};
std::shared_ptr<CompiledGraphSummary> Session::GetCompiledGraphSummary(unsigned int) {
  return std::make_shared<CompiledGraphSummary>();
}

struct OperatorFactory {
  static Operator CreateOperator(const char *name, const char *type);
  static Operator CreateOperator(const std::string &name, const std::string &type);
  static bool IsExistOp(const char *);
  static bool IsExistOp(const std::string &);
};
Operator OperatorFactory::CreateOperator(const char *name, const char *type) { return Operator(name, type); }
Operator OperatorFactory::CreateOperator(const std::string &name, const std::string &type) {
  return Operator(name, type);
}
bool OperatorFactory::IsExistOp(const char *) { return true; }
bool OperatorFactory::IsExistOp(const std::string &) { return true; }

}  // namespace ge
